//! Which libraries for XML and its signatures are loaded: they are the system's, and may be others than those that this program was built and
//! tested with. What the linker has mapped says so, without asking the libraries themselves.

use std::fmt;

/// A library and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub name: &'static str,
    /// None, where the system does not tell.
    pub version: Option<Version>,
    /// Whether the tests run with it.
    pub is_supported: bool,
    /// Those that the tests run with, for people.
    pub supported: &'static str,
}

/// A version, compared number by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A library, how its file is called, from which version on it is supported, and from which on no longer.
type Library = (&'static str, &'static str, Version, Version, &'static str);

const LIBRARIES: [Library; 2] = [
    ("libxml2", "/libxml2.so.", Version(2, 9, 14), Version(2, 10, 0), "2.9.14 and later of 2.9"),
    ("xmlsec1", "/libxmlsec1.so.", Version(1, 2, 37), Version(1, 3, 0), "1.2.37 and later of 1.2"),
];

/// What is loaded now.
#[must_use]
pub fn loaded() -> Vec<Loaded> {
    // Only Linux has this; elsewhere nothing is known, which is said.
    of(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
}

/// The OpenSSL that is loaded, as it calls itself.
#[must_use]
pub fn openssl_version() -> &'static str {
    openssl::version::version()
}

fn of(maps: &str) -> Vec<Loaded> {
    let found = |file: &str| maps.lines().find_map(|line| version(line.split_once(file)?.1));
    LIBRARIES
        .into_iter()
        .map(|(name, file, from, before, supported)| {
            let version = found(file);
            Loaded { name, version, is_supported: version.is_some_and(|version| (from..before).contains(&version)), supported }
        })
        .collect()
}

/// The version at the end of a file's name.
fn version(end: &str) -> Option<Version> {
    let mut numbers = end.trim_end().split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Version(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_files_that_are_mapped() {
        let maps = "7f00-7f01 r-xp 00000000 fe:00 1 /usr/lib/x86_64-linux-gnu/libxml2.so.2.9.14\n\
                    7f02-7f03 r-xp 00000000 fe:00 2 /usr/lib/x86_64-linux-gnu/libxmlsec1-openssl.so.1.2.37\n\
                    7f04-7f05 r-xp 00000000 fe:00 3 /opt/lib/libxmlsec1.so.1.3.4\n";
        let told: Vec<_> = of(maps).into_iter().map(|one| (one.name, one.version, one.is_supported)).collect();
        assert_eq!(told, [("libxml2", Some(Version(2, 9, 14)), true), ("xmlsec1", Some(Version(1, 3, 4)), false)]);
        assert!(of("").iter().all(|one| one.version.is_none() && !one.is_supported));
        assert_eq!((version("2.9.13"), version("16.1.1"), version("2")), (Some(Version(2, 9, 13)), Some(Version(16, 1, 1)), None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_program_knows_what_it_has_loaded() {
        assert!(loaded().iter().all(|one| one.version.is_some()), "{:?}", loaded());
        assert!(openssl_version().starts_with("OpenSSL "));
    }
}
