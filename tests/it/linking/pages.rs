//! What people see of their two logins, and the way through the pages that link, part and switch them.

use super::Pair;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn switching_to_a_login_of_somebody_else_is_refused_like_one_that_never_was(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        for login in [pair.gsa.to_string(), pair.second.to_string(), "nonsense".to_owned(), String::new()] {
            let page = browser.post(&pair.at("/me/switch"), &[("login", login.as_str())]).await.expect(403, "There is no other login");
            assert!(page.body.contains("signed in as") && page.body.contains("href=\"/me/logins\""), "{}", page.body);
        }
        assert_eq!(pair.active(&browser).await, Some(pair.joe));
        let forged = browser.post_from("cross-site", &pair.at("/me/switch"), &[("login", &pair.gsa.to_string())]).await;
        assert_eq!(forged.status, 403);
    }
}
