//! What rules make of the directory's news: roles come and go in the transaction of the change.

use serde_json::{Value, json};

use super::{USER, directory, events_of, found, group, make_group, make_user, operations, roles_of, user};
use crate::support::http::Scim;
use crate::support::world::on_every_engine;

const ADMINISTRATOR: [&str; 1] = ["EMEA: administrator"];

async fn patch(scim: &Scim, path: &str, operation: Value) {
    let status = scim.patch(path, &operations(json!([operation]))).await.status;
    assert!(status == 200 || status == 204, "{status}");
}

on_every_engine! {
    async fn a_role_follows_the_membership_the_name_of_the_group_and_the_user(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        let (person, admins) = (format!("/Users/{joe}"), format!("/Groups/{team}"));
        let add = json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": joe}]});
        let remove = json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": joe}]});
        let rename = |name: &str| json!({"op": "Replace", "path": "displayName", "value": name});
        let active = |active: &str| json!({"op": "Replace", "path": "active", "value": active});
        let steps = [
            (&admins, add.clone(), true),
            (&admins, remove.clone(), false),
            (&admins, add.clone(), true),
            (&admins, rename("Others"), false),
            (&admins, rename("CLOUD-emea-admins"), true),
            (&person, active("False"), false),
            (&person, active("True"), true),
            (&person, json!({"op": "Add", "path": "title", "value": "Boss"}), true),
            // Without a value a user is active, for rules as for signing in.
            (&person, json!({"op": "Remove", "path": "active"}), true),
            (&admins, json!({"op": "Replace", "path": "members", "value": []}), false),
        ];
        for (path, operation, holds) in steps {
            patch(scim, path, operation.clone()).await;
            let wanted: &[&str] = if holds { &ADMINISTRATOR } else { &[] };
            assert_eq!(roles_of(&world, &tenant, &joe).await, wanted, "after {operation}");
        }
        assert_eq!(found(scim, "active eq true").await, ["joe"]);
        // Who is put in while away gets nothing until the return.
        patch(scim, &person, active("False")).await;
        patch(scim, &admins, add).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
        patch(scim, &person, active("True")).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR);
        scim.delete(&admins).await.expect(204);
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
        let roles = events_of(&world, &tenant, &joe).await.into_iter().filter(|kind| kind == "roles.changed").count();
        assert_eq!(roles, 10, "one event each time that they changed, and none else");
    }

    async fn a_role_follows_put_and_post_too(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, jane) = (make_user(scim, "joe").await, make_user(scim, "jane").await);
        let team = make_group(scim, "cloud-emea-admins", &[&joe]).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR);
        let path = format!("/Groups/{team}");
        scim.put(&path, &group("Cloud-EMEA-Admins", &[&jane])).await.expect(200);
        assert_eq!((roles_of(&world, &tenant, &joe).await.len(), roles_of(&world, &tenant, &jane).await.len()), (0, 1));
        let away = json!({ "schemas": [USER], "userName": "jane", "active": false });
        scim.put(&format!("/Users/{jane}"), &away).await.expect(200);
        assert_eq!(roles_of(&world, &tenant, &jane).await, [""; 0]);
        scim.put(&path, &group("Others", &[&joe, &jane])).await.expect(200);
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
    }

    async fn z03_only_the_directory_of_the_rule_gives_its_roles(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let joe = make_user(&tenant.scim, "joe").await;
        make_group(&tenant.scim, "Cloud-EMEA-Admins", &[&joe]).await;
        let stranger = make_user(&other.scim, "joe").await;
        assert_eq!(roles_of(&world, &other, &stranger).await, [""; 0]);
        assert_eq!(roles_of(&world, &other, &joe).await, [""; 0], "a login of another tenant is nobody");
        // Two groups of the name: as long as one holds, the role stays.
        let second = make_group(&tenant.scim, "CLOUD-EMEA-ADMINS", &[&joe]).await;
        tenant.scim.delete(&format!("/Groups/{second}")).await.expect(204);
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR);
        tenant.scim.post("/Users", &user("jane")).await.expect(201);
        tenant.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
    }
}
