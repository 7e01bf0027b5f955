//! The demo, as somebody meets it who has just cloned the repository: a command, an address, a browser.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::ChildStdout;

use serde_json::{Value, json};

use super::{PATIENCE, PROGRAM};
use crate::support::child::{Child, Start};
use crate::support::node::browse;
use crate::support::sql;

/// Ports that nobody uses now: of Vestibule, of the identity provider and of the portal.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Starts the demo and waits until it says where to go. Answers all that it has said until then.
fn start(folder: &Path, ports: [u16; 3]) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let [port, idp_port, portal_port] = ports.map(|port| port.to_string());
    let start = Start::new(PROGRAM, ["demo", "--port", &port, "--idp-port", &idp_port, "--portal-port", &portal_port, "--folder"])
        .arguments([folder])
        .log(&folder.join("log"));
    let (child, output) = Child::start_piped(&start).unwrap();
    let mut said = String::new();
    // Kept open by the caller: a program whose reader has gone may end.
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next() {
        let line = line.unwrap();
        said.push_str(&line);
        said.push('\n');
        if line.contains("Press Ctrl-C") {
            return (child, lines, said);
        }
    }
    panic!("the demo ended: {said}\n{}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
}

/// Nothing is wrong with any page that was seen.
fn expect_clean(mut seen: Value) {
    // The page that leaves for the identity provider does so at once, whether its icon has come or not.
    seen["requests"].as_array_mut().unwrap().retain(|line| !line.as_str().unwrap().contains("ERR_ABORTED"));
    // Chromium logs each page whose status is an error; that is not an error of the page.
    seen["console"]
        .as_array_mut()
        .unwrap()
        .retain(|line| !line.as_str().unwrap().contains("the server responded with a status of 4"));
    for list in ["console", "csp", "requests"] {
        assert_eq!(seen[list], json!([]), "{list}");
    }
    for (step, found) in seen["steps"].as_object().unwrap() {
        if found.is_array() {
            assert_eq!(*found, json!([]), "axe at step {step}");
        }
    }
}

/// From the first page to the one where Anchor asks who it is.
fn as_far_as_anchor(address: &str, idp: &str) -> Vec<Value> {
    vec![
        json!({ "goto": address }),
        json!({ "expectText": "Tell us who you are" }),
        json!({ "axe": true }),
        json!({ "fill": "#identifier", "with": "joe.bloggs@bluesky.example" }),
        json!({ "click": "main button" }),
        json!({ "expectUrl": idp }),
        json!({ "axe": true }),
    ]
}

fn choose(name: &str) -> Value {
    json!({ "click": format!("button:has(.user:text-is('{name}'))") })
}

#[tokio::test]
async fn a_visitor_signs_in_looks_around_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports();
    let (mut demo, _lines, said) = start(folder.path(), ports);
    assert!(said.contains("12 logins, 7 groups"), "{said}");
    let address = format!("http://vestibule.localhost:{}/", ports[0]);
    let idp = format!("http://idp.localhost:{}/", ports[1]);

    // Joe, with a pointer.
    let mut steps = as_far_as_anchor(&address, &idp);
    steps.extend([
        choose("joe.bloggs"),
        json!({ "expectUrl": format!("{address}me") }),
        json!({ "expectText": "by rule ‘EMEA administrators’" }),
        json!({ "axe": true }),
        json!({ "text": true }),
        json!({ "click": "header button" }),
        json!({ "expectText": "You are signed out" }),
        json!({ "axe": true }),
        json!({ "goto": format!("{address}me") }),
        json!({ "expectUrl": format!("{address}sign-in") }),
    ]);
    let seen = browse(&json!(steps));
    expect_clean(seen.clone());
    let page = seen["steps"].as_object().unwrap().values().find_map(|found| found["text"].as_str()).unwrap().to_owned();
    for text in ["Joe Bloggs", "joe.bloggs", "EMEA", "Administrator", "Support"] {
        assert!(page.contains(text), "{text}: {page}");
    }

    // Nobody knows the address, and then Martin, who has left.
    let mut steps = vec![
        json!({ "goto": &address }),
        json!({ "fill": "#identifier", "with": "who@nowhere.example" }),
        json!({ "click": "main button" }),
        json!({ "expectText": "We do not know where people of this address sign in" }),
        json!({ "axe": true }),
        // From here on in the dark, whose colours axe looks at too.
        json!({ "colorScheme": "dark" }),
        json!({ "newContext": true }),
    ];
    steps.extend(as_far_as_anchor(&address, &idp));
    steps.extend([
        choose("martin.weber"),
        json!({ "expectText": "Your access is switched off" }),
        json!({ "expectText": "it@bluesky.example" }),
        json!({ "axe": true }),
        json!({ "text": true }),
    ]);
    let seen = browse(&json!(steps));
    expect_clean(seen.clone());
    let page = seen["page"]["text"].as_str().unwrap();
    let reference = page.split_once("Reference number").unwrap().1.split_whitespace().next().unwrap();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains(reference), "{reference} is not in the log:\n{log}");

    // Ctrl-C, and once more.
    demo.signal("INT").unwrap();
    assert_eq!(demo.wait(PATIENCE).unwrap().code(), Some(0));
    for port in ports {
        TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    }
    let database = folder.path().join(format!("{}-{}-{}/vestibule.db", ports[0], ports[1], ports[2]));
    let database = format!("sqlite://{}", database.display());
    let events = sql::number(&database, "select count(*) from events").await;
    let (mut demo, _lines, again) = start(folder.path(), ports);
    assert_eq!(again.lines().last(), said.lines().last());
    assert_eq!(sql::number(&database, "select count(*) from events").await, events, "nothing new was pushed");

    // Joe, by keyboard alone.
    let seen = browse(&json!([
        { "goto": &address },
        { "expectText": "Tell us who you are" },
        { "press": "Tab" },
        { "press": "Tab" },
        { "type": "joe.bloggs@bluesky.example" },
        { "press": "Enter" },
        { "expectUrl": &idp },
        { "press": "Tab" },
        { "press": "Enter" },
        { "expectUrl": format!("{address}me") },
        { "expectText": "EMEA" },
        // Past the content, and his name, which leads to his logins.
        { "press": "Tab" },
        { "press": "Tab" },
        { "press": "Tab" },
        { "press": "Enter" },
        { "expectText": "You are signed out" },
    ]));
    expect_clean(seen.clone());

    demo.signal("INT").unwrap();
    assert_eq!(demo.wait(PATIENCE).unwrap().code(), Some(0));
}

#[tokio::test]
async fn joe_signs_in_to_the_portal_switches_account_and_is_signed_out_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports();
    let (mut demo, _lines, said) = start(folder.path(), ports);
    let [vestibule, idp, portal] = [("vestibule", 0), ("idp", 1), ("portal", 2)]
        .map(|(name, which): (&str, usize)| format!("http://{name}.localhost:{}/", ports[which]));
    assert!(said.contains(&format!("  Open  {portal}\n")), "{said}");

    let choose_account = |name: &str| {
        [
            json!({ "expectText": "Which account?" }),
            json!({ "click": format!("button.pick:has-text('{name}')") }),
            json!({ "expectText": "Hello, Joe Bloggs" }),
        ]
    };
    let sign_in = || {
        [
            json!({ "click": "text=Sign in" }),
            json!({ "expectText": "Tell us who you are" }),
            json!({ "fill": "#identifier", "with": "joe.bloggs@bluesky.example" }),
            json!({ "click": "main button" }),
            json!({ "expectUrl": &idp }),
            choose("joe.bloggs"),
        ]
    };
    let mut steps = vec![json!({ "goto": &portal }), json!({ "expectText": "Welcome to your cloud" }), json!({ "axe": true })];
    steps.extend(sign_in());
    steps.extend(choose_account("EMEA"));
    steps.extend([json!({ "axe": true }), json!({ "text": true }), json!({ "click": "text=Choose an account" })]);
    steps.extend(choose_account("APAC"));
    steps.extend([
        json!({ "text": true }),
        // Back, without being asked.
        json!({ "click": "a[href*='prompt=none']" }),
        json!({ "expectText": "people.manage" }),
        json!({ "text": true }),
        json!({ "click": "text=Refresh the tokens" }),
        json!({ "expectText": "Hello, Joe Bloggs" }),
        json!({ "click": "text=Sign out everywhere" }),
        json!({ "expectUrl": &portal }),
        json!({ "expectText": "You are signed out" }),
        json!({ "axe": true }),
        // From here on in the dark. Who leaves Vestibule leaves the portal, which is told.
        json!({ "colorScheme": "dark" }),
    ]);
    steps.extend(sign_in());
    steps.extend(choose_account("EMEA"));
    steps.extend([
        json!({ "axe": true }),
        json!({ "goto": format!("{vestibule}me") }),
        json!({ "click": "header button" }),
        json!({ "expectText": "You are signed out" }),
        json!({ "goto": &portal }),
        json!({ "reloadUntil": "Your session has ended" }),
    ]);
    let seen = browse(&json!(steps));
    expect_clean(seen.clone());
    let mut texts: Vec<_> = seen["steps"].as_object().unwrap().iter().filter(|(_, found)| found.is_object()).collect();
    texts.sort_by_key(|(step, _)| step.parse::<usize>().unwrap());
    let [emea, apac, back] = [0, 1, 2].map(|which| texts[which].1["text"].as_str().unwrap());
    for text in ["joe.bloggs", "administrator", "support", "Cloud-EMEA-Admins", "the login, for ever", "lookout-api"] {
        assert!(emea.contains(text), "{text}: {emea}");
    }
    // Another account that the portal remembers is shown with the roles there: what counts is the line of this one.
    let roles = |page: &str| page.split_once("Roles here").unwrap().1.trim().lines().next().unwrap().trim().to_owned();
    assert_eq!([emea, apac, back].map(roles), ["administrator support", "support", "administrator support"]);

    demo.signal("INT").unwrap();
    assert_eq!(demo.wait(PATIENCE).unwrap().code(), Some(0));
}

#[tokio::test]
async fn joe_links_his_two_logins_and_the_portal_sees_the_one_that_he_switches_to() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports();
    let (mut demo, _lines, said) = start(folder.path(), ports);
    assert!(said.contains("use your other login"), "{said}");
    let [idp, portal] =
        [("idp", 1), ("portal", 2)].map(|(name, which): (&str, usize)| format!("http://{name}.localhost:{}/", ports[which]));
    let choose_emea = || {
        [
            json!({ "expectText": "Which account?" }),
            json!({ "click": "button.pick:has-text('EMEA')" }),
            json!({ "expectText": "Hello, Joe Bloggs" }),
            json!({ "text": true }),
        ]
    };
    let at_anchor = |name: &str| [json!({ "expectUrl": &idp }), choose(name)];
    let mut steps = vec![
        json!({ "goto": &portal }),
        json!({ "click": "text=Sign in" }),
        json!({ "fill": "#identifier", "with": "joe.bloggs@bluesky.example" }),
        json!({ "click": "main button" }),
    ];
    steps.extend(at_anchor("joe.bloggs"));
    steps.extend(choose_emea());
    // Both are proved, one after the other, at the same identity provider.
    steps.extend([
        json!({ "click": "text=Link a second one at Vestibule" }),
        json!({ "expectText": "Is this login yours too?" }),
        json!({ "click": "a:has-text('Link joe.bloggs.gsa')" }),
        json!({ "expectText": "Sign in again as joe.bloggs" }),
        json!({ "click": "main form button" }),
    ]);
    steps.extend(at_anchor("joe.bloggs"));
    steps.extend([json!({ "expectText": "asked you just now" }), json!({ "click": "button.choice" })]);
    steps.extend(at_anchor("joe.bloggs.gsa"));
    steps.extend([
        json!({ "expectText": "Link these two logins?" }),
        json!({ "click": "main form button" }),
        json!({ "expectText": "The two logins are linked" }),
        json!({ "goto": &portal }),
        json!({ "click": "text=Refresh the tokens" }),
        json!({ "expectText": "Use your other login" }),
        json!({ "axe": true }),
        json!({ "click": "text=Use your other login" }),
        json!({ "expectText": "asks you to go on as joe.bloggs.gsa (" }),
        json!({ "axe": true }),
        json!({ "click": "main button:has-text('Switch to joe.bloggs.gsa')" }),
    ]);
    steps.extend(choose_emea());
    let seen = browse(&json!(steps));
    expect_clean(seen.clone());
    let mut texts: Vec<_> = seen["steps"].as_object().unwrap().iter().filter(|(_, found)| found.is_object()).collect();
    texts.sort_by_key(|(step, _)| step.parse::<usize>().unwrap());
    let [before, after] = [0, 1].map(|which| texts[which].1["text"].as_str().unwrap());
    let below = |page: &str, what: &str| page.split_once(what).unwrap().1.trim().lines().next().unwrap().trim().to_owned();
    for (page, user, roles) in [(before, "joe.bloggs", "administrator support"), (after, "joe.bloggs.gsa", "administrator")] {
        assert_eq!((below(page, "Signed in as").as_str(), below(page, "Roles here").as_str()), (user, roles));
    }
    assert_eq!(below(before, "\nPerson"), below(after, "\nPerson"));
    assert_ne!(below(before, "\nSession"), below(after, "\nSession"));

    demo.signal("INT").unwrap();
    assert_eq!(demo.wait(PATIENCE).unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = std::process::Command::new(PROGRAM)
        .args(["demo", "--port", &port, "--idp-port", "0", "--portal-port", "0", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(&port) && said.contains("--port"), "{said}");
}
