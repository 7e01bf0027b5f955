use std::ffi::OsString;

use super::*;

fn read(file: &str, env: &[(&str, &str)]) -> Result<Settings, Error> {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Settings::read((!file.is_empty()).then_some((std::path::Path::new("v.toml"), file)), env)
}

fn refusal(file: &str, env: &[(&str, &str)]) -> String {
    read(file, env).unwrap_err().to_string()
}

#[test]
fn nothing_at_all_is_enough() {
    let settings = read("", &[]).unwrap();
    assert_eq!(settings.file, None);
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.public_url.origin(), "http://vestibule.localhost:8080");
    assert_eq!(settings.server.ops_listen.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.server.shutdown_grace, Duration::from_secs(20));
    assert_eq!(settings.database.url.expose(), "sqlite://./vestibule.db");
    assert_eq!(settings.database.url.engine(), Engine::Sqlite);
    assert!(matches!(settings.keys.source(), KeySource::File(path) if path == "./vestibule.keys"));
    assert!(settings.net.allow.is_empty());
    assert_eq!((settings.log.format, settings.log.filter.as_str()), (LogFormat::Human, "info"));
}

#[test]
fn the_defaults_of_the_struct_are_those_of_an_empty_file() {
    let json = |settings: &Settings| serde_json::to_value(settings).unwrap();
    assert_eq!(json(&read("", &[]).unwrap()), json(&Settings::default()));
}

#[test]
fn the_environment_is_laid_over_the_file() {
    let file = "[server]\nlisten = '127.0.0.1:1'\nbody_limit = 5\n[net]\nallow = ['idp.internal']\n[log]\nformat = 'json'";
    let settings = read(
        file,
        &[
            ("VESTIBULE__SERVER__LISTEN", "[::]:8443"),
            ("VESTIBULE__SERVER__SHUTDOWN_GRACE", "3m"),
            ("VESTIBULE__DATABASE__MAX_CONNECTIONS", "3"),
            ("VESTIBULE__NET__ALLOW", "localhost:8081, [::1]"),
            ("VESTIBULE__CATALOGUES__DIRECTORY", "/srv/catalogues"),
            ("VESTIBULE__LOG__FILTER", ""),
            ("VESTIBULE_CONFIG", "elsewhere.toml"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(settings.server.listen.to_string(), "[::]:8443");
    assert_eq!(settings.server.public_url.origin(), "http://vestibule.localhost:8443");
    assert_eq!(settings.server.body_limit, 5);
    assert_eq!(settings.server.shutdown_grace, Duration::from_mins(3));
    assert_eq!(settings.database.max_connections, 3);
    assert_eq!(settings.net.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["localhost:8081", "[::1]"]);
    assert_eq!(settings.catalogues.directory, Some("/srv/catalogues".into()));
    assert_eq!((settings.log.format, settings.log.filter.as_str()), (LogFormat::Json, "info"));
}

#[test]
fn what_nobody_knows_is_refused_by_name() {
    let table = [
        (
            refusal("[server]\nlisen = 'x'", &[]),
            "v.toml: unknown key `lisen` in section [server]; its keys are body_limit, listen, max_connections, max_requests, ops_listen, public_url, shutdown_delay, shutdown_grace, trusted_proxies",
        ),
        (
            refusal("[sever]\nlisten = 'x'", &[]),
            "v.toml: unknown section `sever`; the sections are api, catalogues, database, keys, log, net, server, sessions",
        ),
        (
            refusal("listen = 'x'", &[]),
            "v.toml: unknown section `listen`; the sections are api, catalogues, database, keys, log, net, server, sessions",
        ),
        (
            refusal("server = 'x'", &[]),
            "v.toml: `server` is a section and takes no value; its keys are body_limit, listen, max_connections, max_requests, ops_listen, public_url, shutdown_delay, shutdown_grace, trusted_proxies",
        ),
        (
            refusal("", &[("VESTIBULE__LOG__FROMAT", "json")]),
            "environment variable VESTIBULE__LOG__FROMAT: unknown key `fromat` in section [log]; its keys are filter, format",
        ),
        (
            refusal("", &[("VESTIBULE__LOGS__FORMAT", "json")]),
            "environment variable VESTIBULE__LOGS__FORMAT: unknown section `logs`; the sections are api, catalogues, database, keys, log, net, server, sessions",
        ),
        (
            refusal("", &[("VESTIBULE__log__format", "json")]),
            "environment variable VESTIBULE__log__format is not in capitals: write VESTIBULE__LOG__FORMAT",
        ),
        (
            refusal("", &[("VESTIBULE__LOG", "json")]),
            "environment variable VESTIBULE__LOG: `log` is a section and takes no value; its keys are filter, format",
        ),
    ];
    for (was, expected) in table {
        assert_eq!(was, expected);
    }
}

#[test]
fn every_section_denies_what_it_does_not_know_by_itself() {
    fn denies<T: serde::de::DeserializeOwned>() -> bool {
        toml::from_str::<T>("").is_ok() && toml::from_str::<T>("unheard_of = 1").is_err()
    }
    assert!(denies::<Server>() && denies::<Database>() && denies::<Keys>() && denies::<Net>());
    assert!(denies::<Log>() && denies::<Catalogues>() && denies::<Sessions>());
}

#[test]
fn a_wrong_value_is_blamed_on_its_key() {
    let table = [
        (refusal("[server]\nbody_limit = 3\nlisten = 'here'", &[]), "v.toml: server.listen invalid socket address syntax"),
        (refusal("[server]\nbody_limit = 0", &[]), "v.toml: server.body_limit must be a whole number above zero"),
        (
            refusal("", &[("VESTIBULE__DATABASE__MAX_CONNECTIONS", "-1")]),
            "environment variable VESTIBULE__DATABASE__MAX_CONNECTIONS: database.max_connections must be a whole number above zero",
        ),
        (
            refusal("[server]\nshutdown_grace = 20", &[]),
            "v.toml: server.shutdown_grace must be a whole number with its unit s, m, h or d, such as \"20s\" or \"12h\"",
        ),
        (
            refusal("[net]\nallow = ['a b']", &[]),
            "v.toml: net.allow `a b`: must be a host, or host:port, such as idp.internal or [::1]:8081",
        ),
        (
            refusal("[log]\nfilter = 'vestibule=loud'", &[]),
            "v.toml: log.filter must be directives such as `info` or `warn,vestibule::store=debug`",
        ),
        (
            refusal("[server]\nops_listen = '127.0.0.1:8080'", &[]),
            "v.toml: server.ops_listen must differ from server.listen: it is not for the public",
        ),
        (
            refusal("[sessions]\nidle = '25h'", &[]),
            "v.toml: sessions.idle must be at most sessions.absolute, which is 1d unless set",
        ),
        (refusal("[keys]\nsigning_lifetime = '47h'", &[]), "v.toml: keys.signing_lifetime must be at least 2d"),
        (refusal("[sessions]\nabsolute = '1h'", &[]), "v.toml: sessions.absolute must be at least sessions.idle"),
        (refusal("[server]\n\nlisten = = 3", &[]).split(": ").next().unwrap().to_owned(), "v.toml, line 3"),
    ];
    for (was, expected) in table {
        assert_eq!(was, expected);
    }
    assert!(refusal("[log]\nformat = 'xml'", &[]).starts_with("v.toml: log.format unknown variant `xml`"));
}

#[test]
fn a_public_address_is_https_unless_it_stays_on_the_machine() {
    for right in [
        "https://id.example.com",
        "https://id.example.com:8443",
        "http://localhost",
        "http://vestibule.localhost:8080",
        "http://127.0.0.2:80",
        "http://[::1]:3000",
    ] {
        let url: PublicUrl = right.parse().unwrap();
        assert_eq!(url.origin(), right.trim_end_matches(":80"));
        assert_eq!(url.at("/me"), format!("{}/me", url.origin()));
        assert_eq!(url.is_local(), right.starts_with("http:"));
    }
    for wrong in [
        "http://id.example.com",
        "http://localhost.example.com",
        "http://notlocalhost",
        "http://10.0.0.1",
        "https://id.example.com/vestibule",
        "https://id.example.com/?a",
        "https://id.example.com/#a",
        "https://me@id.example.com",
        "ftp://localhost",
        "id.example.com",
        "",
    ] {
        assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
    }
}

#[test]
fn a_database_address_is_known_by_its_scheme_and_prints_no_secret() {
    let table = [
        ("sqlite://./data/v.db", "sqlite://./data/v.db", "./data/vestibule.keys"),
        ("sqlite:/var/lib/v.db?mode=rwc", "sqlite:///var/lib/v.db", "/var/lib/vestibule.keys"),
        ("sqlite::memory:", "sqlite::memory:", "vestibule.keys"),
        ("postgres://v:hunter2@db:5432/v", "postgres://v:***@db:5432/v", "vestibule.keys"),
        ("postgresql:///v?host=/run/pg&password=hunter2", "postgresql:///v?host=%2Frun%2Fpg&password=***", "vestibule.keys"),
    ];
    for (text, shown, keys) in table {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!((url.to_string(), url.expose()), (shown.to_owned(), text));
        assert_eq!(url.beside("vestibule.keys"), PathBuf::from(keys));
    }
    for wrong in ["mysql://db/v", "sqlite://", "sqlite:", "postgres://db:port/v", "/var/lib/v.db", ""] {
        assert!(wrong.parse::<DatabaseUrl>().is_err(), "{wrong}");
    }
}

#[test]
fn secrets_show_neither_in_debug_nor_serialised_nor_in_errors() {
    let file = "[database]\nurl = 'postgres://v:hunter2@db/v?password=hunter2'\n[keys]\nsecret = 'hunter2'";
    let settings = read(file, &[]).unwrap();
    assert!(matches!(settings.keys.source(), KeySource::Inline(secret) if secret.expose() == "hunter2"));
    for shown in [format!("{settings:?}"), format!("{settings:#?}"), serde_json::to_string(&settings).unwrap()] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("[hidden]") && shown.contains("***"), "{shown}");
    }
    for wrong in [
        "[keys]\nsecret = ['hunter2']",
        "[database]\nurl = { hunter2 = 1 }",
        "[database]\nurl = 'mysql://hunter2'",
        "[database]\nurl = 'postgres://v:hunter2@db:port/v'",
        "[database]\nurl = 'postgres://v:hunter2@db/v\n",
        "[keys]\nsecret = 'hunter2' 'hunter2'",
    ] {
        let error = read(wrong, &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_comes_from_a_file_or_from_a_key_but_not_from_both() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("database-url");
    std::fs::write(&secret, "postgres://v:pass@db/v\n").unwrap();
    let path = secret.to_str().unwrap();

    let from_file = format!("[database]\nurl_file = '{path}'");
    assert_eq!(read(&from_file, &[]).unwrap().database.url.expose(), "postgres://v:pass@db/v");
    let over_key = [("VESTIBULE__DATABASE__URL_FILE", path)];
    assert_eq!(read("[database]\nurl = 'sqlite://a.db'", &over_key).unwrap().database.url.engine(), Engine::Postgres);
    let over_file = [("VESTIBULE__DATABASE__URL", "sqlite://b.db")];
    assert_eq!(read(&from_file, &over_file).unwrap().database.url.expose(), "sqlite://b.db");

    assert_eq!(
        refusal(&format!("{from_file}\nurl = 'sqlite://a.db'"), &[]),
        "v.toml: database.url and database.url_file are both set; keep one of them"
    );
    assert_eq!(
        refusal("", &[("VESTIBULE__KEYS__FILE", "a"), ("VESTIBULE__KEYS__SECRET", "b")]),
        "environment variable VESTIBULE__KEYS__SECRET: keys.secret and keys.file are both set; keep one of them"
    );
    assert!(refusal("", &[("VESTIBULE__DATABASE__URL_FILE", "/nowhere/url")]).contains("/nowhere/url, which cannot be read"));
}

#[test]
fn keys_lie_beside_the_database_unless_said() {
    let beside = read("[database]\nurl = 'sqlite:///srv/v/v.db'", &[]).unwrap();
    assert_eq!(beside.keys.file, PathBuf::from("/srv/v/vestibule.keys"));
    let said = read("[database]\nurl = 'sqlite:///srv/v/v.db'\n[keys]\nfile = 'k'", &[]).unwrap();
    assert_eq!(said.keys.file, PathBuf::from("k"));
}

#[test]
fn a_named_file_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.toml");
    assert!(matches!(Settings::load(Some(&path), []), Err(Error::File { .. })));
    std::fs::write(&path, "[log]\nformat = 'json'").unwrap();
    let settings = Settings::load(Some(&path), []).unwrap();
    assert_eq!((settings.log.format, settings.file), (LogFormat::Json, Some(path)));
}

#[test]
fn lengths_of_time_have_a_unit() {
    let parse = |text: &str| {
        let file = format!("[server]\nshutdown_grace = '{text}'");
        read(&file, &[]).ok().map(|settings| settings.server.shutdown_grace.as_secs())
    };
    for (text, seconds) in [("0s", 0), ("20s", 20), ("15m", 900), ("12h", 43_200), ("7d", 604_800)] {
        assert_eq!(parse(text), Some(seconds));
        assert_eq!(duration_text(Duration::from_secs(seconds)), text);
    }
    for wrong in ["", "s", "20", "+5s", "-5s", "1.5h", "5 s", "99999999999999999999d", "9999999d", "5w"] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn an_allowed_host_covers_its_port_alone_if_it_names_one() {
    use url::Host;
    let entry: AllowedHost = "IdP.internal:8443".parse().unwrap();
    assert!(entry.covers(&Host::Domain("idp.internal"), 8443));
    assert!(!entry.covers(&Host::Domain("idp.internal"), 443));
    assert!(!entry.covers(&Host::Domain("other.internal"), 8443));
    let any: AllowedHost = "[::1]".parse().unwrap();
    assert!(any.covers(&Host::Ipv6(std::net::Ipv6Addr::LOCALHOST), 1));
    assert!(!any.covers(&Host::Ipv4(Ipv4Addr::LOCALHOST), 1));
    for wrong in ["", ":80", "host:", "host:http", "host:70000", "http://host", "::1", "[::1"] {
        assert!(wrong.parse::<AllowedHost>().is_err(), "{wrong}");
    }
}

#[test]
fn the_document_names_every_key_with_its_variable_and_default_and_no_other() {
    let document = include_str!("../../docs/configuration.md");
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    let mut keys = 0;
    for (section, names) in Settings::known_keys() {
        let (_, rest) = document.split_once(&format!("## `[{section}]`")).expect(&section);
        let chapter = rest.split("\n## ").next().unwrap();
        for key in names {
            let row = format!("| `{key}` | `{}` |", load::variable(&section, &key));
            let row = chapter.lines().find(|line| line.starts_with(&row)).expect(&row);
            let default = match &defaults[&section][&key] {
                serde_json::Value::Null => "none".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let column = row.split('|').nth(3).unwrap();
            assert!(column.contains(&default), "{section}.{key}: {column} is not {default}");
            keys += 1;
        }
    }
    assert_eq!(document.matches("| `VESTIBULE__").count(), keys);
}
