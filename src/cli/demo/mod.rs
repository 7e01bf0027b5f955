//! `vestibule demo`: the sample company Bluesky, with everything around Vestibule that it needs.
//!
//! [`people`] is the company. [`push`] is its directory, which sends people and groups by SCIM. [`idp`] is its identity
//! provider, where one signs in. Both listen or run on loopback only, and nothing outside this folder uses them.

pub mod idp;
pub mod people;
pub mod push;
mod run;

pub use self::run::{MARK, run};

/// The ports that the demo listens on, for the words that it prints.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub vestibule: u16,
    pub idp: u16,
}

/// What to tell the person who started the demo, once all of it answers.
#[must_use]
pub fn welcome(ports: Ports) -> String {
    let Ports { vestibule, idp } = ports;
    format!(
        "\
Vestibule is running with a sample company, Bluesky.

  Open  http://vestibule.localhost:{vestibule}/

Sign in there with any address at bluesky.example, such as joe.bloggs@bluesky.example. You are sent on to Anchor
(http://idp.localhost:{idp}/), the demo's stand-in for a company's identity provider, where you choose who you are.
Try these, signing out in between:

  Joe Bloggs, joe.bloggs        administers EMEA and works on the support desk; the page says by which rule
  Joe Bloggs, joe.bloggs.gsa    his other login, with roles of its own over all of Bluesky
  Liam O’Connor                 an engineer who sees London alone
  Nina Kowalski                 started today: she can sign in, and is told whom to ask for an account
  Martin Weber                  has left: he is refused, with a reference number that is in the log
  Sam Okafor                    nobody has set him up: refused as well

Everything listens on this machine only. Press Ctrl-C to stop; the next start goes on where this one ended.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_names_both_addresses_and_only_people_who_exist() {
        let text = welcome(Ports { vestibule: 4000, idp: 4001 });
        assert!(text.contains("http://vestibule.localhost:4000/") && text.contains("http://idp.localhost:4001/"));
        let listed: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with("Open")).collect();
        assert_eq!(listed.len(), 6);
        for line in listed {
            let known = people::LOGINS.iter().chain([&people::STRANGER]).any(|login| line.starts_with(&login.display_name()));
            assert!(known, "{line}");
        }
    }
}
