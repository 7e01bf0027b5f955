//! Every page, rendered; `VESTIBULE_PAGES=<folder> cargo test --lib write_every_page -- --ignored` writes them to look at.

use axum::body::to_bytes;

use super::*;
use crate::model::LinkSource;
use crate::openid::authorize::Unproved;
use crate::openid::logout::LogoutRefused as LogoutWhy;

const REFERENCE: &str = "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21";

fn bluesky() -> Frame {
    Frame { tenant: Some("Bluesky".into()), visitor: None, here: None }
}

fn joe() -> Visitor {
    Visitor {
        name: "Joe Bloggs".into(),
        user_name: "joe.bloggs@bluesky.example".into(),
        login_name: Some("everyday".into()),
        kind: LoginKind::Byoi,
        connection: Some("Anchor".into()),
        other: Some(OtherLogin {
            id: "0198-gsa".into(),
            user_name: "joe.bloggs.gsa@bluesky.example".into(),
            login_name: "privileged".into(),
        }),
    }
}

fn contact() -> Contact {
    Contact("it@bluesky.example".into())
}

fn role(name: &str, description: &str, causes: Vec<Cause>, inherited_from: Option<&str>) -> RoleLine {
    RoleLine { name: name.into(), description: description.into(), causes, inherited_from: inherited_from.map(Into::into) }
}

fn accounts() -> Vec<AccountNode> {
    let rule = || vec![Cause::Rule("EMEA administrators".into())];
    let administrator = "Manages the account: its people, services, tickets and invoices.";
    vec![AccountNode {
        name: "Bluesky".into(),
        roles: vec![],
        children: vec![
            AccountNode {
                name: "EMEA".into(),
                roles: vec![
                    role("Administrator", administrator, rule(), None),
                    role(
                        "Support",
                        "Opens and follows support tickets.",
                        vec![Cause::Rule("Everybody in support".into()), Cause::Manual],
                        None,
                    ),
                ],
                children: vec![AccountNode {
                    name: "London".into(),
                    roles: vec![
                        role("Administrator", administrator, rule(), Some("EMEA")),
                        role("Technical", "Looks after the infrastructure.", vec![Cause::Operator], None),
                    ],
                    children: vec![],
                }],
            },
            AccountNode {
                name: "APAC".into(),
                roles: vec![role("Financial", "Sees invoices.", vec![Cause::Manual], None)],
                children: vec![],
            },
        ],
    }]
}

fn sessions() -> Sessions {
    let at = |hours| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours);
    let line = |is_this, device: &str, portals: &[&str]| SessionLine {
        id: REFERENCE.into(),
        is_this,
        device: device.into(),
        address: (!is_this).then(|| "2001:db8:85a3::8a2e:370:7334".into()),
        login: joe().user_name,
        connection: joe().connection,
        signed_in_at: at(495_000),
        last_seen_at: at(495_003),
        portals: portals.iter().map(|name| (*name).to_owned()).collect(),
    };
    let sessions = vec![
        line(true, "Firefox on Windows", &["Bluesky Support"]),
        line(false, "Safari on iPhone", &["Bluesky Support", "Orders"]),
    ];
    Sessions { frame: Frame { visitor: Some(joe()), ..bluesky() }, sessions }
}

fn choices() -> Vec<AccountChoice> {
    let node = |name: &str, roles: &[&str], children| AccountChoice {
        id: format!("0198-{name}"),
        name: name.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        children,
    };
    let london = node("London", &["Administrator", "Technical"], vec![]);
    let emea = node(
        "EMEA",
        &["Administrator", "Support"],
        vec![london, node("Paris with a rather long name of its own", &["Support"], vec![])],
    );
    vec![node("Bluesky", &[], vec![emea, node("APAC", &["Financial"], vec![])])]
}

fn signed_in(accounts: Vec<AccountNode>) -> SignedIn {
    SignedIn { frame: Frame { visitor: Some(joe()), ..bluesky() }, visitor: joe(), accounts, contact: Some(contact()) }
}

fn refused(reason: Reason) -> Refused {
    Refused {
        frame: bluesky(),
        reason,
        connection: Some("Anchor".into()),
        contact: Some(contact()),
        reference: REFERENCE.into(),
        retry: "/sign-in".into(),
    }
}

fn card(user_name: &str, name: Option<&str>, is_active: bool) -> LoginCard {
    LoginCard {
        id: format!("0198-{user_name}"),
        user_name: format!("{user_name}@bluesky.example"),
        login_name: name.map(ToOwned::to_owned),
        kind: LoginKind::Byoi,
        is_active,
        is_usable: true,
        connections: vec!["Anchor".into()],
        directory: Some("Bluesky’s directory".into()),
        signed_in_at: is_active.then(|| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(495_000)),
        accounts: if is_active { vec![] } else { accounts() },
    }
}

/// The pages of somebody's logins.
fn logins_pages() -> Vec<(String, askama::Result<String>)> {
    let alone = Frame { visitor: Some(Visitor { login_name: None, other: None, ..joe() }), ..bluesky() };
    let both = Frame { visitor: Some(joe()), ..bluesky() }.at("/me/logins");
    let gsa = |source| ProposalLine { id: "0198-gsa".into(), user_name: "joe.bloggs.gsa@bluesky.example".into(), source };
    let logins = |frame: &Frame, logins, done| Logins {
        frame: frame.clone(),
        logins,
        linked_at: None,
        sessions: 1,
        proposals: vec![],
        done,
        contact: Some(contact()),
    };
    let pair = vec![card("joe.bloggs", Some("everyday"), true), card("joe.bloggs.gsa", Some("privileged"), false)];
    let off = vec![pair[0].clone(), LoginCard { is_usable: false, accounts: vec![], ..pair[1].clone() }];
    let to_prove = |is_proved| ToProve { user_name: joe().user_name, connection: "Anchor".into(), is_proved };
    let choice = |name: &str| ConnectionChoice { id: "0198".into(), name: name.into() };
    let wizard = |is_proved, expected, names: &[&str]| LinkLogins {
        frame: alone.clone(),
        first: to_prove(is_proved),
        expected,
        connections: names.iter().map(|name| choice(name)).collect(),
    };
    let confirm = |sessions| ConfirmLink {
        frame: alone.clone(),
        action: "/me/logins/link/0198".into(),
        logins: [card("joe.bloggs", None, true), card("joe.bloggs.gsa", None, false)],
        sessions,
    };
    let unlink = |is_proved, sessions| UnlinkLogins {
        frame: both.clone(),
        active: to_prove(is_proved),
        other: "joe.bloggs.gsa@bluesky.example".into(),
        goes: "joe.bloggs.gsa@bluesky.example".into(),
        sessions,
    };
    let one = vec![card("joe.bloggs", None, true)];
    let proposals = vec![gsa(LinkSource::Administrator), gsa(LinkSource::Directory), gsa(LinkSource::UserName)];
    let since = Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(495_000));
    let pages = [
        ("logins_one", logins(&alone, one.clone(), None).render()),
        ("logins_unlinked", Logins { sessions: 3, ..logins(&alone, one.clone(), Some(Done::Unlinked)) }.render()),
        ("logins_proposal", Logins { proposals: vec![gsa(LinkSource::UserName)], ..logins(&alone, one.clone(), None) }.render()),
        ("logins_proposals", Logins { proposals, ..logins(&alone, one, None) }.render()),
        ("logins_two", Logins { linked_at: since, sessions: 2, ..logins(&both, pair.clone(), None) }.render()),
        ("logins_linked", Logins { linked_at: since, ..logins(&both, pair, Some(Done::Linked)) }.render()),
        ("logins_off", Logins { linked_at: since, ..logins(&both, off, None) }.render()),
        ("link_prove", wizard(false, None, &["Anchor"]).render()),
        ("link_choose", wizard(true, None, &["Anchor", "The vault of the administrators"]).render()),
        ("link_prove_proposal", wizard(false, Some(gsa(LinkSource::Administrator)), &["Anchor"]).render()),
        ("link_choose_proposal", wizard(true, Some(gsa(LinkSource::Directory)), &["Anchor"]).render()),
        ("link_choose_none", wizard(true, Some(gsa(LinkSource::UserName)), &[]).render()),
        ("link_confirm", confirm(3).render()),
        ("link_confirm_alone", confirm(0).render()),
        ("unlink_prove", unlink(false, 0).render()),
        ("unlink", unlink(true, 2).render()),
    ];
    let mut pages: Vec<_> = pages.into_iter().map(|(name, html)| (name.to_owned(), html)).collect();
    for reason in Reason::ALL {
        let view = Refused { frame: alone.clone(), retry: "/me/logins".into(), ..refused(reason) };
        pages.push((format!("refused_signed_in_{reason:?}").to_lowercase(), view.render()));
    }
    pages
}

/// The pages of who is sent here to be signed out.
fn sign_out_pages() -> Vec<(String, askama::Result<String>)> {
    let ask = AskSignOut {
        frame: bluesky(),
        user_name: Some("joe.bloggs@bluesky.example".into()),
        portal: Some("Bluesky Support".into()),
        client_id: Some("support".into()),
        post_logout_redirect_uri: Some("https://portal.example/goodbye".into()),
        state: Some("state".into()),
    };
    let mut pages = vec![("ask_sign_out".into(), ask.render()), ("ask_sign_out_nobody".into(), AskSignOut::default().render())];
    for why in [LogoutWhy::Malformed, LogoutWhy::Hint, LogoutWhy::Client, LogoutWhy::Redirect] {
        let view = LogoutRefused { frame: Frame::default(), why, reference: REFERENCE.into() };
        pages.push((format!("logout_refused_{why:?}").to_lowercase(), view.render()));
    }
    pages
}

fn rendered<T: Template>(views: Vec<(String, T)>) -> impl Iterator<Item = (String, askama::Result<String>)> {
    views.into_iter().map(|(name, view)| (name, view.render()))
}

/// Every page in every state, by name.
pub(super) fn every_page() -> Vec<(String, String)> {
    let choice = |name: &str| Choice { name: name.into(), href: "/sign-in/oidc/0198".into() };
    let mut pages = vec![
        ("sign_in".into(), SignIn { return_to: Some("/me".into()), ..SignIn::default() }.render()),
        (
            "sign_in_error".into(),
            SignIn {
                typed: "joe.bloggs@bluesky".into(),
                error: Some("We cannot send this address on. Check it for typing mistakes.".into()),
                ..SignIn::default()
            }
            .render(),
        ),
        (
            "sign_in_choices".into(),
            SignIn {
                frame: bluesky(),
                typed: "joe.bloggs@bluesky.example".into(),
                choices: vec![choice("Anchor"), choice("Bluesky Group (Entra ID)"), choice("Partners")],
                ..SignIn::default()
            }
            .render(),
        ),
        (
            "sign_in_portal".into(),
            SignIn { portal: Some("Bluesky Support".into()), typed: "joe.bloggs@bluesky.example".into(), ..SignIn::default() }
                .render(),
        ),
        (
            "choose_account".into(),
            ChooseAccount {
                frame: Frame { visitor: Some(joe()), ..bluesky() },
                portal: "Bluesky Support".into(),
                visitor: joe(),
                accounts: choices(),
                action: "/oauth2/authorize/0198".into(),
            }
            .render(),
        ),
        (
            "ask_switch".into(),
            AskSwitch {
                frame: Frame { visitor: Some(joe()), ..bluesky() },
                portal: "Bluesky Support".into(),
                visitor: joe(),
                other: joe().other.unwrap(),
                action: "/oauth2/authorize/0198".into(),
            }
            .render(),
        ),
        (
            "no_account".into(),
            NoAccount {
                frame: Frame { visitor: Some(joe()), ..bluesky() },
                portal: "Bluesky Support".into(),
                visitor: joe(),
                contact: Some(contact()),
                back: "https://portal.example/callback?error=access_denied".into(),
            }
            .render(),
        ),
        (
            "onward".into(),
            Onward { frame: Frame::default(), to: "Bluesky Support".into(), href: "about:blank#later".into() }.render(),
        ),
        ("leaving".into(), Leaving { frame: bluesky(), connection: "Anchor".into(), href: "about:blank#later".into() }.render()),
        ("signed_in".into(), signed_in(accounts()).render()),
        ("signed_in_empty".into(), signed_in(vec![]).render()),
        ("sessions".into(), sessions().render()),
        ("signed_out".into(), SignedOut { frame: bluesky(), connection: Some("Anchor".into()) }.render()),
        ("not_found".into(), NotFound::default().render()),
    ];
    for why in [Unproved::ClientMissing, Unproved::ClientUnknown, Unproved::RedirectMissing, Unproved::RedirectUnknown] {
        let portal = (why == Unproved::RedirectUnknown).then(|| "Bluesky Support".to_owned());
        let view = PortalRefused { frame: Frame::default(), why, portal, reference: REFERENCE.into() };
        pages.push((format!("portal_refused_{why:?}").to_lowercase(), view.render()));
    }
    for over in [Over::Gone, Over::Answered] {
        pages.push((format!("request_over_{over:?}").to_lowercase(), RequestOver { frame: Frame::default(), over }.render()));
    }
    pages.extend(sign_out_pages());
    for reason in Reason::ALL {
        pages.push((format!("refused_{reason:?}").to_lowercase(), refused(reason).render()));
    }
    for wrong in Wrong::ALL {
        let reference = Some(REFERENCE.to_owned());
        pages.push((format!("trouble_{wrong:?}").to_lowercase(), Trouble { frame: Frame::default(), wrong, reference }.render()));
    }
    pages.extend(logins_pages());
    let frame = Frame { visitor: Some(joe()), ..bluesky() };
    pages.extend(rendered(person::examples(&frame, &accounts())).chain(rendered(post::examples(&bluesky()))));
    pages.extend(rendered(connection_test::examples(&frame)));
    #[cfg(feature = "saml")]
    pages.extend(rendered(super::super::connections::examples::pages(&frame)));
    let href = "about:blank#later".into();
    pages.push(("signing_out".into(), SigningOut { frame: bluesky(), connection: "Anchor".into(), href }.render()));
    pages.into_iter().map(|(name, html)| (name, html.unwrap())).collect()
}

#[test]
#[ignore = "writes the pages to the folder that VESTIBULE_PAGES names, for a look in a browser"]
fn write_every_page() {
    let folder = std::path::PathBuf::from(std::env::var_os("VESTIBULE_PAGES").unwrap());
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for (name, html) in every_page() {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    std::fs::write(folder.join(&stylesheet_url()[1..]), include_str!("assets/vestibule.css")).unwrap();
    std::fs::write(folder.join(&script_url()[1..]), "// Not here, where nobody answers.").unwrap();
    std::fs::write(folder.join(&icon_url()[1..]), include_str!("assets/icon.svg")).unwrap();
}

#[test]
fn a_refused_sign_in_shows_its_reference_its_contact_and_a_way_on() {
    for reason in Reason::ALL {
        let html = refused(reason).render().unwrap();
        assert!(html.contains(&format!("<code>{REFERENCE}</code>")), "{reason:?}");
        assert!(html.contains(&format!("mailto:it@bluesky.example?subject=Sign-in%20reference%20{REFERENCE}")), "{reason:?}");
        assert!(html.contains("href=\"/sign-in\""), "{reason:?}");
        assert!(html.contains("What to do next"), "{reason:?}");
        let nameless = Refused { connection: None, contact: None, frame: Frame::default(), ..refused(reason) }.render().unwrap();
        assert!(
            nameless.contains("your IT help desk") && !nameless.contains("Anchor") && !nameless.contains("Bluesky"),
            "{reason:?}"
        );
    }
}

#[test]
fn the_sign_in_form_keeps_what_was_typed_and_names_the_field() {
    let html =
        SignIn { typed: "<joe>\"@x".into(), error: Some("No.".into()), return_to: Some("/me?a=1&b=2".into()), ..SignIn::default() }
            .render()
            .unwrap();
    assert!(html.contains("value=\"&#60;joe&#62;&#34;@x\""), "{html}");
    assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"identifier-error identifier-hint\""));
    assert!(html.contains("id=\"identifier-error\""));
    assert!(html.contains("name=\"return_to\" value=\"/me?a=1&#38;b=2\""));
}

#[test]
fn the_tree_shows_roles_with_their_causes_and_escapes_names() {
    let html = signed_in(accounts()).render().unwrap();
    assert!(html.contains("<strong>Administrator</strong> <span class=\"cause\">by rule ‘EMEA administrators’</span>"), "{html}");
    assert!(html.contains("by rule ‘Everybody in support’, and given by an administrator"));
    assert!(html.contains("inherited from EMEA, by rule ‘EMEA administrators’"));
    assert!(html.contains("given by the operator"));
    let evil = AccountNode {
        name: "<img src=x>".into(),
        roles: vec![role("<b>", "<i>", vec![Cause::Rule("<u>".into())], None)],
        children: vec![AccountNode { name: "<s>".into(), ..AccountNode::default() }],
    };
    let html = signed_in(vec![evil]).render().unwrap();
    assert!(["<img src=x>", "<b>", "<i>", "<u>", "<s>"].iter().all(|tag| !html.contains(tag)), "{html}");
    assert!(html.contains("&#60;img src=x&#62;"));
}

#[test]
fn without_a_role_the_page_says_whom_to_ask() {
    let html = signed_in(vec![]).render().unwrap();
    assert!(html.contains("No account yet") && html.contains("mailto:it@bluesky.example"));
    assert!(!html.contains("class=\"tree\""));
}

#[tokio::test]
async fn a_page_carries_its_headers() {
    let answer = Page(StatusCode::FORBIDDEN, refused(Reason::Unknown)).into_response();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let headers = answer.headers();
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(headers[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
    assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    assert!(body.starts_with(b"<!doctype html>"));
}

#[test]
fn the_header_switches_to_the_other_login_and_returns_to_the_page() {
    let html = sessions().render().unwrap();
    assert!(
        html.contains("<form method=\"post\" action=\"/me/switch\"><input type=\"hidden\" name=\"login\" value=\"0198-gsa\">"),
        "{html}"
    );
    assert!(html.contains("Switch to joe.bloggs.gsa@bluesky.example (privileged)") && !html.contains("name=\"return_to\""));
    let view = sessions();
    let html = Sessions { frame: view.frame.at("/me?a=1&b=2"), ..view }.render().unwrap();
    assert!(html.contains("name=\"return_to\" value=\"/me?a=1&#38;b=2\""), "{html}");
    let visitor = Some(Visitor { login_name: None, other: None, ..joe() });
    let html = Sessions { frame: Frame { visitor, ..bluesky() }, sessions: vec![] }.render().unwrap();
    assert!(!html.contains("/me/switch") && html.contains("<a href=\"/me/logins\">joe.bloggs@bluesky.example</a>"), "{html}");
}

#[test]
fn who_is_signed_in_is_told_that_they_still_are_and_is_not_sent_to_sign_in() {
    let frame = Frame { visitor: Some(joe()), ..bluesky() };
    for reason in Reason::ALL {
        let html = Refused { frame: frame.clone(), retry: "/me/logins".into(), ..refused(reason) }.render().unwrap();
        assert!(html.contains("You are still signed in as <strong>joe.bloggs@bluesky.example</strong>"), "{reason:?}");
        assert!(html.contains("href=\"/me/logins\">To your logins</a>") && !html.contains("href=\"/sign-in"), "{reason:?}");
        for untrue in ["You are not signed in", "Your access has ended", "You have no access here yet"] {
            assert!(!html.contains(untrue), "{reason:?}: {untrue}");
        }
    }
}
