//! The envelope: media types, sizes, tokens, addresses, and the one format in which all of it is refused.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LIST_RESPONSE, NOBODY, USER, directory, filtered, found, log_of, make_user, refused, user};
use crate::support::http::{Answer, Scim, client};
use crate::support::world::{Tenant, World, on_every_engine};

/// POSTs these bytes to `/Users`, with these headers beside the token.
async fn post(scim: &Scim, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
    let mut request = scim.request(Method::POST, "/Users").body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Scim::read(request.send().await.unwrap()).await
}

const SCIM_JSON: (&str, &str) = ("content-type", "application/scim+json");

/// Checks that nobody was made, and that the refusal is in the log under the request's id.
async fn nothing_but_a_log_entry(world: &World, tenant: &Tenant, answer: &Answer) {
    assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 0);
    let log = log_of(world, tenant).await;
    let entry = log.last().expect("an entry");
    assert_eq!(entry.request_id.as_deref(), answer.headers["x-request-id"].to_str().ok());
    assert_eq!((entry.operation.as_str(), entry.resource_type.as_str()), ("create", "User"));
    assert_eq!(entry.status, i64::from(answer.status));
    assert_eq!(entry.scim_type.as_deref(), answer.body["scimType"].as_str());
    assert_eq!(entry.detail.as_deref(), answer.body["detail"].as_str());
}

on_every_engine! {
    async fn a03_a04_media_types(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        for (index, kind) in [
            "application/scim+json",
            "application/json",
            "APPLICATION/SCIM+JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ]
        .into_iter()
        .enumerate()
        {
            post(&tenant.scim, &[("content-type", kind)], user(&format!("joe{index}")).to_string()).await.expect(201);
        }
        // None at all is forgiven in the other profiles only.
        refused(&post(&tenant.scim, &[], user("no type").to_string()).await, 415, "");
        let before = tenant.scim.get("/Users").await.body["totalResults"].clone();
        for kind in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""] {
            let answer = post(&tenant.scim, &[("content-type", kind)], user("jane").to_string()).await;
            refused(&answer, 415, "");
        }
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], before);
        assert_eq!(log_of(&world, &tenant).await.iter().filter(|entry| entry.status == 415).count(), 6);
        for accept in ["application/scim+json", "application/json", "*/*", "text/html"] {
            let request = tenant.scim.request(Method::GET, "/Users").header("accept", accept);
            let answer = Scim::read(request.send().await.unwrap()).await.expect(200);
            assert_eq!(answer.headers["content-type"], "application/scim+json", "{accept}");
        }
    }

    async fn a05_what_is_no_json_is_refused_and_changes_nothing(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let deep = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"joe\",\"x\":{}{}}}", "[".repeat(100), "]".repeat(100));
        let bodies: [&[u8]; 9] = [
            b"",
            b"{",
            b"{\"userName\":\"joe\"} trailing",
            b"{\"userName\":\"joe\",\"USERNAME\":\"jane\"}",
            b"{\"userName\":\"joe\",\"name\":{\"givenName\":\"a\",\"givenname\":\"b\"}}",
            b"{\"userName\":\"\xff\"}",
            b"{\"userName\":\"a\\u0000b\"}",
            b"userName=joe",
            deep.as_bytes(),
        ];
        for body in bodies {
            let answer = post(&tenant.scim, &[SCIM_JSON], body.to_vec()).await;
            refused(&answer, 400, "invalidSyntax");
            nothing_but_a_log_entry(&world, &tenant, &answer).await;
        }
    }

    async fn a06_a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let limit = world.app.settings.server.body_limit;
        let huge = format!("{{\"userName\":\"joe\",\"title\":\"{}\"}}", "x".repeat(limit));
        let answer = post(&tenant.scim, &[SCIM_JSON], huge.clone()).await;
        refused(&answer, 413, "");
        assert!(answer.body["detail"].as_str().unwrap().contains(&limit.to_string()), "{}", answer.body);
        nothing_but_a_log_entry(&world, &tenant, &answer).await;

        let answer = in_chunks(&tenant.scim, huge.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\"status\":\"413\"") && answer.contains("application/scim+json"), "{answer}");
        let log = log_of(&world, &tenant).await;
        assert_eq!((log.len(), log[1].status), (2, 413));
        // In chunks below the limit it is a body like any other.
        let answer = in_chunks(&tenant.scim, user("joe").to_string().as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }

    async fn a07_z04_a_wrong_token_is_401_whatever_is_wrong_with_it(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let nowhere = format!("{}/scim/v2/{NOBODY}", world.base);
        let mut almost = tenant.scim.token.clone();
        almost.pop();
        almost.push(if tenant.scim.token.ends_with('A') { 'B' } else { 'A' });
        let mut bodies = Vec::new();
        for (base, token) in [
            (&tenant.scim.base, Some("Bearer nonsense".to_owned())),
            (&tenant.scim.base, Some(format!("Bearer {almost}"))),
            (&tenant.scim.base, Some(format!("Bearer {}", other.scim.token))),
            (&tenant.scim.base, Some(format!("Basic {}", tenant.scim.token))),
            (&tenant.scim.base, Some(String::new())),
            (&tenant.scim.base, None),
            (&nowhere, Some(format!("Bearer {}", tenant.scim.token))),
        ] {
            for (method, path) in [
                (Method::GET, format!("/Users/{joe}")),
                (Method::DELETE, format!("/Users/{joe}")),
                (Method::POST, "/Users".to_owned()),
            ] {
                let mut request = client().request(method, format!("{base}{path}")).header("content-type", "application/scim+json");
                if let Some(token) = &token {
                    request = request.header("authorization", token);
                }
                let answer = Scim::read(request.body(user("jane").to_string()).send().await.unwrap()).await;
                refused(&answer, 401, "");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                bodies.push(answer.body.to_string());
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "no answer tells more than another: {bodies:?}");
        assert_eq!(found(&tenant.scim, "userName pr").await, ["joe"]);
        // Nobody can fill a directory's log without its token.
        assert_eq!((log_of(&world, &tenant).await.len(), log_of(&world, &other).await.len()), (1, 0));
        let any_case =
            client().get(format!("{}/Users", tenant.scim.base)).header("authorization", format!("bearer {}", tenant.scim.token));
        assert_eq!(any_case.send().await.unwrap().status(), 200);
    }

    async fn a09_a10_a11_a12_a18_addresses_are_read_leniently_but_not_wrongly(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        // The client of these tests sends no User-Agent at all.
        for path in [
            "/Users",
            "/Users/",
            &format!("/Users/{joe}"),
            &format!("/Users/{joe}/"),
            "/Groups/",
            "/Schemas/",
            "/ServiceProviderConfig/",
            "/",
            "",
        ] {
            tenant.scim.get(path).await.expect(200);
            tenant.scim.get(&format!("{path}?aadOptscim062020&AzureAdScimPatch2017=&x=%FF")).await.expect(200);
        }
        for path in ["//Users", "/Users//", "/users", "/Users/x/y", "/Widgets", "/%FF"] {
            refused(&tenant.scim.get(path).await, 404, "");
            assert!([404, 405].contains(&tenant.scim.post(path, &user("x")).await.status), "{path}");
        }
        assert_eq!(found(&tenant.scim, "userName pr").await, ["joe"]);
        let short = Scim::new(tenant.scim.base.replace("/scim/v2/", "/scim/"), tenant.scim.token.clone());
        let read = short.get(&format!("/Users/{joe}")).await.expect(200);
        assert_eq!(read.body["meta"]["location"], format!("{}/Users/{joe}", tenant.scim.base), "one thing has one address");
        for version in ["v1", "v3"] {
            let other = Scim::new(format!("{}/scim/{version}/{}", world.base, tenant.directory), tenant.scim.token.clone());
            refused(&other.get("/Users").await, 404, "");
        }
    }

    async fn a13_a_wrong_method_is_405_and_says_which_are_right(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let one = format!("/Users/{NOBODY}");
        for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", &format!("/Schemas/{USER}")] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let answer = tenant.scim.send(method, path, Some(&json!({}))).await;
                refused(&answer, 405, "");
                assert_eq!(answer.headers["allow"], "GET,HEAD", "{path}");
            }
        }
        for (method, path) in
            [(Method::PUT, "/Users"), (Method::DELETE, "/Users"), (Method::PATCH, "/Groups"), (Method::POST, &one)]
        {
            let answer = tenant.scim.send(method, path, Some(&json!({}))).await;
            refused(&answer, 405, "");
            assert!(answer.headers["allow"].to_str().unwrap().contains("GET"), "{path}");
        }
    }

    async fn a14_a19_a_foreign_id_is_unknown_and_addresses_come_from_the_configuration(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let foreign = other.scim.get(&format!("/Users/{joe}")).await;
        let nobody = other.scim.get(&format!("/Users/{NOBODY}")).await;
        refused(&foreign, 404, "");
        let body = foreign.body.to_string().replace(&joe, NOBODY);
        assert_eq!(body, nobody.body.to_string(), "no oracle");
        let request = tenant
            .scim
            .request(Method::GET, &format!("/Users/{joe}"))
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example");
        let read = Scim::read(request.send().await.unwrap()).await.expect(200);
        assert_eq!(read.body["meta"]["location"], format!("{}/Users/{joe}", tenant.scim.base));
        assert_eq!(read.headers["location"], read.body["meta"]["location"].as_str().unwrap());
    }

    async fn a16_a17_names_are_found_in_any_case_and_order(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let text = format!(
            "{{\"EMAILS\":[{{\"TYPE\":\"work\",\"Value\":\"a@b.c\"}}],\"uSERNAME\":\"joe\",\"Active\":false,\"SCHEMAS\":[\"{}\"]}}",
            USER.to_uppercase()
        );
        let made = post(&tenant.scim, &[SCIM_JSON], text).await.expect(201);
        assert_eq!(made.body["schemas"], json!([USER]));
        assert_eq!(made.body["emails"], json!([{"type": "work", "value": "a@b.c"}]));
        assert_eq!((&made.body["userName"], &made.body["active"]), (&json!("joe"), &json!(false)));
        assert_eq!(found(&tenant.scim, "EMAILS[TYPE EQ \"work\"]").await, ["joe"]);
    }

    async fn a20_the_request_id_is_kept_or_made_and_never_trusted_blindly(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let answer = post(&tenant.scim, &[SCIM_JSON, ("x-request-id", "okta-7.4:1")], user("joe").to_string()).await.expect(201);
        assert_eq!(answer.headers["x-request-id"], "okta-7.4:1");
        let answer =
            post(&tenant.scim, &[SCIM_JSON, ("x-request-id", "a b\"<script>")], user("jane").to_string()).await.expect(201);
        let made = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(uuid::Uuid::parse_str(&made).is_ok(), "{made}");
        let ids: Vec<_> = log_of(&world, &tenant).await.into_iter().filter_map(|entry| entry.request_id).collect();
        assert_eq!(ids, ["okta-7.4:1", &made]);
    }

    async fn a01_a02_every_refusal_of_a_read_is_in_the_same_format(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        refused(&tenant.scim.get(&filtered("/Users", "userName eq")).await, 400, "invalidFilter");
        refused(&tenant.scim.get("/Groups?count=x").await, 400, "invalidValue");
        let list = tenant.scim.get("/Users").await.expect(200);
        assert_eq!(
            (&list.headers["content-type"], &list.body["schemas"]),
            (&"application/scim+json".parse().unwrap(), &json!([LIST_RESPONSE]))
        );
    }
}

/// POSTs a body to `/Users` in chunks, without saying its size, and answers the head and body of the response as text.
async fn in_chunks(scim: &Scim, body: &[u8]) -> String {
    let url = url::Url::parse(&scim.base).unwrap();
    let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let (mut input, mut output) = stream.into_split();
    let head = format!(
        "POST {}/Users HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/scim+json\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        url.path(),
        url.authority(),
        scim.token
    );
    let body = body.to_vec();
    let sending = tokio::spawn(async move {
        output.write_all(head.as_bytes()).await?;
        for chunk in body.chunks(60_000) {
            output.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            output.write_all(chunk).await?;
            output.write_all(b"\r\n").await?;
        }
        output.write_all(b"0\r\n\r\n").await?;
        Ok::<_, std::io::Error>(output)
    });
    let mut answer = Vec::new();
    input.read_to_end(&mut answer).await.unwrap();
    // The service may stop reading before everything is sent.
    sending.await.unwrap().ok();
    String::from_utf8(answer).unwrap()
}
