//! A PostgreSQL of the tests' own.
//!
//! [`shared`] starts one server for the test process, in a temporary folder and reached by a Unix socket in it, so that no port
//! is taken and nobody else can connect. Where `DATABASE_URL` names a server, that one is used: its user must be allowed to
//! create databases. A test asks for [`Postgres::fresh_database`], a copy of a template that was migrated once. [`dedicated`]
//! starts one more server for a test that crashes it. When no server can be started the test fails and says what to install: a
//! suite that skips an engine would not test it.
//!
//! PostgreSQL refuses to run as root; root therefore runs it as `postgres`, or as `nobody` where there is no such user.
//! Databases sort by ICU's English rules wherever initdb can do so, as many production databases do: a query that forgets
//! `collate "C"` is found.

use super::child::{Child, Owner, Start};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// How to get what is missing, for the message of a test that cannot have its server.
const INSTALL: &str = "install PostgreSQL 14 or newer (Debian and Ubuntu: `script/bootstrap --test`; macOS: \
                       `brew install postgresql@17`), or set DATABASE_URL to a server where the tests may create databases";

/// How long a server may take to answer after its start. Crash recovery on a busy machine is slow; a broken server is noticed
/// at once.
const START_LIMIT: Duration = Duration::from_mins(2);

/// A PostgreSQL server for tests.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Server,
    template: OnceCell<String>,
    databases: AtomicU32,
    /// Part of each database's name, so that two test processes on one given server do not meet.
    run: String,
}

#[derive(Debug)]
enum Server {
    /// Named by `DATABASE_URL`.
    Given(Box<PgConnectOptions>),
    Own(Cluster),
}

/// The server that all tests of this process share.
///
/// # Panics
/// When no server can be started; the message says why and what to install.
pub(crate) fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| match std::env::var("DATABASE_URL") {
        Ok(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let options: PgConnectOptions = url.parse().map_err(|error| format!("DATABASE_URL is no PostgreSQL URL: {error}"))?;
            let postgres = Postgres::new(Server::Given(Box::new(options)));
            postgres.tidy()?;
            Ok(postgres)
        }
        _ => Cluster::create(false, &[]).map(|cluster| Postgres::new(Server::Own(cluster))),
    });
    match shared {
        Ok(postgres) => postgres,
        Err(reason) => panic!("no PostgreSQL for the tests: {reason}\n{INSTALL}"),
    }
}

/// A server for one test alone, that it may stop and start; never the one of `DATABASE_URL`.
/// A `durable` one keeps PostgreSQL's own promise that an acknowledged commit survives a crash; others answer faster.
///
/// # Panics
/// As [`shared`].
pub(crate) fn dedicated(durable: bool) -> Postgres {
    own(Cluster::create(durable, &[]))
}

/// A durable server with settings of its own, for measurements.
///
/// # Panics
/// As [`shared`].
pub(crate) fn tuned(settings: &[&str]) -> Postgres {
    own(Cluster::create(true, settings))
}

fn own(cluster: Result<Cluster, String>) -> Postgres {
    match cluster {
        Ok(cluster) => Postgres::new(Server::Own(cluster)),
        Err(reason) => panic!("no PostgreSQL for the tests: {reason}\n{INSTALL}"),
    }
}

impl Postgres {
    fn new(server: Server) -> Self {
        let nanos = std::time::UNIX_EPOCH.elapsed().map_or(0, |age| age.subsec_nanos());
        let run = format!("vestibule_test_{}_{nanos}", std::process::id());
        Self { server, template: OnceCell::new(), databases: AtomicU32::new(0), run }
    }

    /// The URL of a database on this server.
    pub(crate) fn url_for(&self, database: &str) -> String {
        match &self.server {
            Server::Given(options) => PgConnectOptions::clone(options).database(database).to_url_lossy().into(),
            // The host before the path is a placeholder that URLs need; `host=` names the socket's folder.
            Server::Own(cluster) => format!("postgres://vestibule@localhost/{database}?host={}", cluster.folder.path().display()),
        }
    }

    /// Makes an empty database, for tests of the migrations themselves, and returns its URL.
    pub(crate) async fn empty_database(&self) -> String {
        let name = self.next_name();
        self.administer(&format!("create database {name} template template0")).await;
        self.url_for(&name)
    }

    /// Makes a database as `migrate` leaves it, and returns its URL.
    /// `migrate` is called once for each server, with the URL of the template, and has to close its connections.
    pub(crate) async fn fresh_database(&self, migrate: impl AsyncFnOnce(&str)) -> String {
        let template = self.template.get_or_init(async || {
            let name = self.next_name();
            self.administer(&format!("create database {name} template template0")).await;
            migrate(&self.url_for(&name)).await;
            name
        });
        let template = template.await;
        let name = self.next_name();
        self.administer(&format!("create database {name} template {template}")).await;
        self.url_for(&name)
    }

    /// Stops the server as a crash would, without a checkpoint: what was not durable is lost.
    ///
    /// # Panics
    /// On the server of `DATABASE_URL`, or when it does not stop.
    pub(crate) fn stop_immediately(&self) {
        self.cluster().stop("QUIT").expect("the server stops");
    }

    /// Starts the server again after [`Postgres::stop_immediately`], and waits until it has recovered.
    ///
    /// # Panics
    /// On the server of `DATABASE_URL`, or when it does not start.
    pub(crate) fn start(&self) {
        self.cluster().start().expect("the server starts");
    }

    /// Sends a signal to the server's first process. After `STOP` a new connection gets no answer until `CONT`; those that are
    /// open go on.
    ///
    /// # Panics
    /// On the server of `DATABASE_URL`, or when it is not running.
    pub(crate) fn signal(&self, name: &str) {
        self.cluster().signal(name).expect("the server takes signals");
    }

    /// What the server has logged.
    ///
    /// # Panics
    /// On the server of `DATABASE_URL`.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.cluster().log()).unwrap_or_default()
    }

    fn cluster(&self) -> &Cluster {
        match &self.server {
            Server::Own(cluster) => cluster,
            Server::Given(_) => panic!("a test stops only a server of its own: use postgres::dedicated"),
        }
    }

    /// A given server outlives the tests, and the databases of a killed run stay behind. So each run holds a lock while it
    /// lives, and drops the databases of those runs whose lock is free. The lock's connection has a thread of its own, because
    /// each test has its own runtime.
    fn tidy(&self) -> Result<(), String> {
        let (url, run) = (self.url_for("postgres"), self.run.clone());
        let (done, tidied) = std::sync::mpsc::channel();
        let work = async move {
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))").bind(&run).execute(&mut connection).await?;
            let left = "select datname::text from pg_database where datname like 'vestibule\\_test\\_%' \
                        and pg_try_advisory_lock(hashtextextended(regexp_replace(datname, '_[0-9]+$', ''), 0))";
            for name in sqlx::query_scalar::<_, String>(left).fetch_all(&mut connection).await? {
                connection.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
            }
            Ok::<_, sqlx::Error>(connection)
        };
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let connection = work.await;
                let failed = done.send(connection.as_ref().map(drop).map_err(ToString::to_string)).is_err() || connection.is_err();
                if !failed {
                    std::future::pending::<()>().await;
                }
            });
        });
        let outcome = tidied.recv().map_err(|error| error.to_string())?;
        outcome.map_err(|error| format!("the server of DATABASE_URL: {error}"))
    }

    fn next_name(&self) -> String {
        format!("{}_{}", self.run, self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs one statement outside of the test databases. The texts are made above, of names that are made above.
    async fn administer(&self, statement: &str) {
        let url = self.url_for("postgres");
        let mut connection = match PgConnection::connect(&url).await {
            Ok(connection) => connection,
            Err(error) => panic!("PostgreSQL does not answer: {error}\n{INSTALL}"),
        };
        if let Err(error) = connection.execute(AssertSqlSafe(statement.to_owned())).await {
            panic!("`{statement}`: {error}");
        }
        connection.close().await.ok();
    }
}

/// A server that the tests start themselves: its folder holds the data, the socket and the log.
#[derive(Debug)]
struct Cluster {
    /// Dropped before the folder.
    running: Mutex<Option<Child>>,
    programs: PathBuf,
    owner: Option<Owner>,
    durable: bool,
    /// `name=value`, beside and above those that every server has.
    settings: Vec<String>,
    folder: TempDir,
}

impl Cluster {
    fn create(durable: bool, settings: &[&str]) -> Result<Self, String> {
        let programs = programs()?;
        let folder = temporary_folder()?;
        let owner = unprivileged(folder.path())?;
        if let Some(Owner { uid, gid }) = owner {
            chown(folder.path(), Some(uid), Some(gid)).map_err(|error| format!("cannot give the folder away: {error}"))?;
        }
        let settings = settings.iter().copied().map(str::to_owned).collect();
        let cluster = Self { running: Mutex::new(None), programs, owner, durable, settings, folder };
        cluster.initialise()?;
        cluster.start()?;
        Ok(cluster)
    }

    fn initialise(&self) -> Result<(), String> {
        let log = self.log();
        let mut arguments = vec!["-D", "data", "-U", "vestibule", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"];
        if major(&self.programs)? >= 15 {
            arguments.extend(["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]);
        } else {
            arguments.push("--locale=C");
        }
        let start = Start::new(self.programs.join("initdb"), arguments)
            .env("LC_ALL", "C")
            .owner(self.owner)
            .folder(self.folder.path())
            .log(&log);
        let mut initdb = Child::start(&start).map_err(|error| format!("cannot run initdb: {error}"))?;
        match initdb.wait(START_LIMIT) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("initdb ended with {status}:\n{}", tail(&log))),
            Err(error) => Err(format!("initdb: {error}")),
        }
    }

    fn start(&self) -> Result<(), String> {
        let log = self.log();
        let folder = self.folder.path().display().to_string();
        let mut settings = vec![
            format!("unix_socket_directories={folder}"),
            "listen_addresses=".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=64MB".to_owned(),
        ];
        if !self.durable {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        settings.extend(self.settings.iter().cloned());
        let mut arguments = vec!["-D".to_owned(), "data".to_owned()];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
        let start = Start::new(self.programs.join("postgres"), arguments)
            .env("LC_ALL", "C")
            .owner(self.owner)
            .folder(self.folder.path())
            .log(&log)
            .last_signal("QUIT");
        let mut server = Child::start(&start).map_err(|error| format!("cannot run postgres: {error}"))?;
        self.wait_until_ready(&mut server).map_err(|reason| format!("{reason}:\n{}", tail(&log)))?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }

    /// The server writes its state into the last line of its pid file; `pg_ctl` waits in the same way.
    fn wait_until_ready(&self, server: &mut Child) -> Result<(), String> {
        let state = self.folder.path().join("data/postmaster.pid");
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until {
            if let Ok(Some(status)) = server.ended() {
                return Err(format!("postgres ended with {status}"));
            }
            if std::fs::read_to_string(&state).is_ok_and(|text| text.lines().last().is_some_and(|line| line.trim() == "ready")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("postgres is not ready after {START_LIMIT:?}"))
    }

    fn stop(&self, signal: &str) -> std::io::Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut running = running.ok_or_else(|| std::io::Error::other("it is not running"))?;
        running.signal(signal)?;
        running.wait(START_LIMIT)?;
        Ok(())
    }

    /// Unlike the child's own way of sending signals this one has arrived when it returns.
    fn signal(&self, name: &str) -> std::io::Result<()> {
        let state = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"))?;
        let pid = state.lines().next().unwrap_or_default();
        let status = Command::new("/bin/sh").args(["-c", r#"kill -s "$1" "$2""#, "kill", name, pid]).status()?;
        if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("kill ended with {status}"))) }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// The folder with `initdb` and `postgres`: from PATH, from where the distributions put them (the newest version first), or
/// from `pg_config`.
fn programs() -> Result<PathBuf, String> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    for (parent, below) in
        [("/usr/lib/postgresql", "bin"), ("/usr", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")]
    {
        let mut versions: Vec<PathBuf> =
            std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path().join(below)).collect();
        versions.sort_by_key(|path| std::cmp::Reverse(version_in(path)));
        candidates.extend(versions);
    }
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let found = candidates.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    found.ok_or_else(|| "initdb and postgres are nowhere to be found".to_owned())
}

/// The number in `/usr/lib/postgresql/15/bin` or `/opt/homebrew/opt/postgresql@17/bin`; 0 where there is none.
fn version_in(path: &Path) -> u32 {
    let name = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_start_matches(|character: char| !character.is_ascii_digit()).parse().unwrap_or(0)
}

/// The major version that `initdb --version` tells: `initdb (PostgreSQL) 15.18 (Debian …)`.
fn major(programs: &Path) -> Result<u32, String> {
    let output = Command::new(programs.join("initdb")).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot run initdb: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.split(['.', 'b', 'r', 'd']).next()?.parse().ok());
    version.ok_or_else(|| format!("initdb tells no version: {text}"))
}

/// A socket's path is limited to about 100 bytes, so a long temporary folder is passed over for `/tmp`.
fn temporary_folder() -> Result<TempDir, String> {
    let parent = std::env::temp_dir();
    let parent = if parent.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { parent };
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new()
        .prefix("vestibule-pg-")
        .permissions(private)
        .tempdir_in(&parent)
        .map_err(|error| format!("no temporary folder in {}: {error}", parent.display()))
}

/// The user that root runs PostgreSQL as; nothing for everybody else.
fn unprivileged(own_folder: &Path) -> Result<Option<Owner>, String> {
    let uid = std::fs::metadata(own_folder).map_err(|error| format!("cannot look at the folder: {error}"))?.uid();
    if uid != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("cannot read /etc/passwd: {error}"))?;
    let find = |wanted: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<&str>| fields.first() == Some(&wanted))?;
        Some(Owner { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    };
    let owner = find("postgres").or_else(|| find("nobody"));
    owner.map(Some).ok_or_else(|| "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`".to_owned())
}

/// The last lines of a log, for the message of a failed start.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
