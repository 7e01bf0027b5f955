//! Children that never outlive the tests.
//!
//! A test process can end by a panic, by Ctrl-C or by `kill -9`, and in the last case none of its own code runs. So every
//! server that the tests start is the child of a small shell that holds the reading end of a pipe whose writing end only the
//! test process has. When the test process ends, however it ends, the pipe closes; the shell then ends the server, waits for it
//! and removes its folder. The same pipe carries signals while the tests run: one line is one signal name. The shell has a
//! process group of its own, so Ctrl-C reaches the tests alone.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What [`Child::start`] runs: `$1` is the last signal, `$2` the folder to remove (or nothing), the rest is the command.
/// Status 7 of the watcher says that the tests are gone; a server that ends by itself ends the watcher.
const WATCH: &str = r#"
last=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(
  while read -r signal <&3; do kill -s "$signal" "$server"; done
  trap '' TERM
  kill -s "$last" "$server"
  kill -s CONT "$server"
  exit 7
) &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
wait "$watcher"
if [ $? -eq 7 ] && [ -n "$folder" ]; then rm -rf "$folder"; fi
exit $status
"#;

/// A user and a group that a child runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How to start a [`Child`].
#[derive(Debug)]
pub(crate) struct Start {
    command: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    owner: Option<Owner>,
    folder: Option<PathBuf>,
    log: Option<PathBuf>,
    last: &'static str,
}

impl Start {
    /// Runs `program` with `arguments`.
    pub(crate) fn new(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = vec![program.as_ref().to_owned()];
        command.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        Self { command, environment: Vec::new(), owner: None, folder: None, log: None, last: "KILL" }
    }

    /// Adds arguments of another kind of text.
    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child's environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs the child as another user; only root can. Supplementary groups are dropped.
    pub(crate) fn owner(mut self, owner: Option<Owner>) -> Self {
        self.owner = owner;
        self
    }

    /// Makes `folder` the working folder, which is removed when the tests are gone.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Appends standard error, and standard output where nobody reads it, to this file.
    pub(crate) fn log(mut self, log: &Path) -> Self {
        self.log = Some(log.to_owned());
        self
    }

    /// The signal that ends the child with the tests, by name and without `SIG`; `KILL` unless it is set.
    pub(crate) fn last_signal(mut self, last: &'static str) -> Self {
        self.last = last;
        self
    }
}

/// A running child; dropping it ends it, waits for that, and removes its folder.
#[derive(Debug)]
pub(crate) struct Child {
    shell: std::process::Child,
    pipe: Option<ChildStdin>,
}

impl Child {
    /// Starts the child with its output in the log file.
    pub(crate) fn start(start: &Start) -> std::io::Result<Self> {
        let output = log(start)?;
        Self::spawn(start, output)
    }

    /// Starts the child and gives its standard output to read.
    pub(crate) fn start_piped(start: &Start) -> std::io::Result<(Self, ChildStdout)> {
        let mut child = Self::spawn(start, Stdio::piped())?;
        let output = child.shell.stdout.take().ok_or_else(|| std::io::Error::other("no pipe for standard output"))?;
        Ok((child, output))
    }

    fn spawn(start: &Start, output: Stdio) -> std::io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(WATCH).arg("watch").arg(start.last).arg(start.folder.as_deref().unwrap_or(Path::new("")));
        shell.args(&start.command).envs(start.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &start.folder {
            shell.current_dir(folder);
        }
        if let Some(Owner { uid, gid }) = start.owner {
            shell.uid(uid).gid(gid);
        }
        shell.process_group(0).stdin(Stdio::piped()).stdout(output).stderr(log(start)?);
        let mut shell = shell.spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Sends a signal by its name without `SIG`, for example `TERM`, `STOP`, `CONT`.
    pub(crate) fn signal(&mut self, name: &str) -> std::io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{name}"),
            None => Err(std::io::Error::other("the child has ended")),
        }
    }

    /// The status when the child has ended by itself or by a signal (128 and the signal's number, as shells say it).
    pub(crate) fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }

    /// Waits until the child has ended; gives up after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> std::io::Result<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(std::io::Error::other(format!("the child is still running after {limit:?}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.pipe.take());
        self.shell.wait().ok();
    }
}

fn log(start: &Start) -> std::io::Result<Stdio> {
    match &start.log {
        Some(path) => Ok(std::fs::File::options().create(true).append(true).open(path)?.into()),
        None => Ok(Stdio::null()),
    }
}
