//! `vestibule demo`: the sample company Bluesky, with everything around Vestibule that it needs.
//!
//! [`people`] is the company. [`push`] is its directory, which sends people and groups by SCIM. [`idp`] is its identity
//! provider, where one signs in. [`portal`] is where they want to go. All of them listen or run on loopback only, and nothing
//! outside this folder uses them.

pub mod idp;
pub mod people;
pub mod portal;
pub mod push;
mod run;

pub use self::run::{MARK, run};

/// The ports that the demo listens on, for the words that it prints.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub vestibule: u16,
    pub idp: u16,
    pub portal: u16,
}

/// What to tell the person who started the demo, once all of it answers.
#[must_use]
pub fn welcome(ports: Ports) -> String {
    let Ports { vestibule, idp, portal } = ports;
    format!(
        "\
Vestibule is running between a sample company, Bluesky, and a sample portal, Lookout.

  Open  http://portal.localhost:{portal}/

Sign in there. Vestibule (http://vestibule.localhost:{vestibule}/) asks for an address: any at bluesky.example, such as
joe.bloggs@bluesky.example. You are sent on to Anchor (http://idp.localhost:{idp}/), the demo's stand-in for a company's
identity provider, where you choose who you are, and come back to the portal with an account and your roles on it.
Try these, signing out in between:

  Joe Bloggs, joe.bloggs        administers EMEA and works on the support desk; Vestibule's own page says by which rule
  Joe Bloggs, joe.bloggs.gsa    his other login, with roles of its own over all of Bluesky: switch between the accounts
  Liam O’Connor                 an engineer who sees London alone
  Nina Kowalski                 started today: she can sign in, and is told whom to ask for an account
  Martin Weber                  has left: he is refused, with a reference number that is in the log
  Sam Okafor                    nobody has set him up: refused as well

Joe’s two logins can be linked, so that he switches between them: sign in as joe.bloggs, follow “Link a second one at Vestibule”,
and prove both, one after the other. Back at the portal, refresh the tokens and use your other login: Vestibule asks, and the
portal then sees that login with its own roles. The header of Vestibule’s pages switches too, and “Unlink” parts them again.

Everything listens on this machine only. Press Ctrl-C to stop; the next start goes on where this one ended.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_names_all_addresses_and_only_people_who_exist() {
        let text = welcome(Ports { vestibule: 4000, idp: 4001, portal: 4002 });
        for address in ["http://vestibule.localhost:4000/", "http://idp.localhost:4001/", "  Open  http://portal.localhost:4002/"] {
            assert!(text.contains(address), "{address}");
        }
        let listed: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with("Open")).collect();
        assert_eq!(listed.len(), 6);
        for line in listed {
            let known = people::LOGINS.iter().chain([&people::STRANGER]).any(|login| line.starts_with(&login.display_name()));
            assert!(known, "{line}");
        }
    }
}
