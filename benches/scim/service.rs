//! The program under load, as an operator runs it, on a database of its own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::load::Target;
use crate::postgres::{self, Postgres};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vestibule");

/// PostgreSQL as an operator with a few gigabytes of memory sets it up, and with what the measurements look at.
const TUNING: [&str; 6] = [
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "shared_preload_libraries=pg_stat_statements,auto_explain",
    "pg_stat_statements.track_utility=off",
    "auto_explain.log_nested_statements=off",
    "random_page_cost=1.1",
];

/// The rate limit would measure itself.
const BOOTSTRAP: &str = r#"
[[tenant]]
slug = "bluesky"
name = "Bluesky"
catalogue = "customer-portal"

[[tenant.account]]
path = "bluesky"
name = "Bluesky"

[[tenant.directory]]
slug = "directory"
name = "Directory"
profile = "entra"
settings = { requests_per_second = 1000000, burst = 1000000 }

[[tenant.directory.token]]
name = "load"
secret = { env = "LOAD_TOKEN" }
"#;

/// The secret of a client in the bootstrap file.
pub(crate) const SECRET: &str = "a secret for nobody but this measurement";

/// A running program; dropping it ends it.
pub(crate) struct Service {
    pub(crate) target: Target,
    server: std::process::Child,
    database: Option<(Postgres, String)>,
    _folder: TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Service {
    /// On a PostgreSQL of its own whose commits are durable.
    pub(crate) async fn on_postgres() -> Self {
        Self::set_up(BOOTSTRAP).await
    }

    /// The same, with a bootstrap file of its own. It may use the secrets in the environment variables `LOAD_TOKEN` and `LOAD_SECRET`.
    pub(crate) async fn set_up(bootstrap: &str) -> Self {
        let postgres = postgres::tuned(&TUNING);
        let url = postgres.empty_database().await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("create extension pg_stat_statements").await.unwrap();
        connection.close().await.unwrap();
        let mut service = Self::start("Vestibule on PostgreSQL", Some(&url), bootstrap).await;
        service.database = Some((postgres, url));
        service
    }

    /// On embedded SQLite.
    pub(crate) async fn on_sqlite() -> Self {
        Self::start("Vestibule on SQLite", None, BOOTSTRAP).await
    }

    async fn start(name: &str, url: Option<&str>, bootstrap: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = vestibule::keys::PlainToken::bearer().reveal();
        let mut variables = vec![
            ("VESTIBULE__SERVER__LISTEN", "127.0.0.1:0"),
            ("VESTIBULE__SERVER__OPS_LISTEN", "127.0.0.1:0"),
            ("VESTIBULE__LOG__FORMAT", "json"),
            ("LOAD_TOKEN", token.expose_secret()),
            ("LOAD_SECRET", SECRET),
            ("VESTIBULE__API__CLIENT_REQUESTS_PER_SECOND", "1000000"),
            ("VESTIBULE__API__CLIENT_BURST", "1000000"),
        ];
        if let Some(url) = url {
            variables.push(("VESTIBULE__DATABASE__URL", url));
            variables.push(("VESTIBULE__KEYS__SECRET", "dmVzdGlidWxlIHRlc3RzIGtlZXAgbm8gc2VjcmV0cy4="));
        }
        let program = |arguments: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command.args(arguments).current_dir(folder.path()).envs(variables.iter().copied()).stdin(Stdio::null());
            command
        };
        std::fs::write(folder.path().join("bluesky.toml"), bootstrap).unwrap();
        assert!(program(&["migrate"]).status().unwrap().success());
        let said = program(&["bootstrap", "bluesky.toml"]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let (_, endpoint) = said.split_once("/scim/v2/").unwrap();
        let directory = endpoint.split_whitespace().next().unwrap();
        let log = folder.path().join("log");
        let server = program(&["serve"]).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        let base = loop {
            assert!(Instant::now() < until, "serve does not come up");
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.find(|line| line["message"] == "serving") {
                break format!("http://{}/scim/v2/{directory}", line["listen"].as_str().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let target = Target::new(name, base, token.expose_secret().to_owned());
        Self { target, server, database: None, _folder: folder }
    }

    fn postgres(&self) -> &(Postgres, String) {
        self.database.as_ref().expect("this measurement is about PostgreSQL")
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.postgres().1).await.unwrap()
    }

    /// Runs a statement on the database itself, past the program.
    pub(crate) async fn execute(&self, statement: String) {
        self.connection().await.execute(AssertSqlSafe(statement)).await.unwrap();
    }

    /// The texts that a query on the database itself answers.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.connection().await).await.unwrap()
    }

    /// Begins to count statements anew.
    pub(crate) async fn forget_statements(&self) {
        self.execute("select pg_stat_statements_reset()".to_owned()).await;
    }

    /// How many statements the program has sent since, `begin` and `commit` apart.
    pub(crate) async fn statements(&self) -> i64 {
        let count = "select sum(calls)::bigint from pg_stat_statements where query not like '%pg_stat_statements%'";
        sqlx::query_scalar(count).fetch_one(&mut self.connection().await).await.unwrap()
    }

    /// Adds logins until there are so many: copies of those that are there, each with a person and an address of its own.
    pub(crate) async fn fill(&self, logins: usize) {
        let there: i64 = sqlx::query_scalar("select count(*) from logins").fetch_one(&mut self.connection().await).await.unwrap();
        self.execute(FILL.replace("{there}", &there.to_string()).replace("{last}", &(logins - 1).to_string())).await;
        self.execute("vacuum analyze".to_owned()).await;
    }

    /// The plans of the statements that `requests` makes the program send, as far as they tell which index is used.
    pub(crate) async fn plan(&self, requests: impl AsyncFnOnce()) -> Vec<String> {
        let (postgres, _) = self.postgres();
        let set = async |value: &str| {
            self.execute(format!("alter system set auto_explain.log_min_duration = {value}")).await;
            self.execute("select pg_reload_conf()".to_owned()).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        set("0").await;
        let before = postgres.log_text().len();
        requests().await;
        let log = postgres.log_text().split_off(before);
        set("-1").await;
        let mut scans: Vec<_> = log.lines().filter_map(scan).collect();
        scans.sort();
        scans.dedup();
        scans
    }

    /// The time that the program has had a core for itself since its start.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.server.id())).unwrap();
        // The name of the program may have spaces; the fields are counted behind its parenthesis, user and system time in hundredths.
        let (_, fields) = text.rsplit_once(") ").unwrap();
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        ticks as f64 / 100.0
    }

    /// The resident memory of the program in MiB.
    pub(crate) fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most that it had since [`Service::forget_peak`].
    pub(crate) fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.server.id()), "5").unwrap();
    }

    fn status(&self, key: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1_024.0
    }
}

/// The table and the index of a line of a plan: `Index Scan using logins_user_name on logins l`.
fn scan(line: &str) -> Option<String> {
    let line = line.trim_start().trim_start_matches("->").trim_start();
    let is_scan = ["Index Scan", "Index Only Scan", "Seq Scan", "Bitmap Index Scan", "Bitmap Heap Scan"];
    let of = is_scan.iter().any(|kind| line.starts_with(kind)) && ["logins", "emails"].iter().any(|table| line.contains(table));
    of.then(|| line.split("  (").next().unwrap_or(line).to_owned())
}

/// Copies the login of the smallest id. The keys are those of lower-case ASCII, which folding leaves alone.
const FILL: &str = "
create temporary table fresh as
  select number, gen_random_uuid() as login, gen_random_uuid() as person, 'person-' || number || '@bluesky.example' as name
  from generate_series({there}, {last}) number;
insert into persons (tenant_id, id, state, epoch, open, created_at)
  select l.tenant_id, f.person, 'active', 0, true, l.created_at from fresh f, (select * from logins order by id limit 1) l;
insert into logins (tenant_id, id, person_open, break_glass, person_id, born_person_id, slot, kind, directory_id, home_account_id, namespace_id, user_name, user_name_key,
    folding, external_id, active, scim, search, claims, version, facts_version, epoch, created_at, updated_at)
  select l.tenant_id, f.login, true, false, f.person, f.person, 1, l.kind, l.directory_id, l.home_account_id, l.namespace_id, f.name, f.name,
    l.folding, 'external-' || f.number, true, l.scim || jsonb_build_object('userName', f.name),
    l.search || jsonb_build_object('userName', f.name), l.claims, 1, 1, 0, l.created_at, l.updated_at
  from fresh f, (select * from logins order by id limit 1) l;
insert into emails (tenant_id, login_id, position, value, value_key)
  select l.tenant_id, f.login, 0, f.name, f.name from fresh f, (select * from logins order by id limit 1) l;
drop table fresh;
";
