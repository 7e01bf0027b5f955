//! No message makes the program open a file or a connection. The kernel is asked: a child of these tests validates every vector under `strace`.

use std::process::Command;

use vestibule::federation::saml::Validator;

const BEGIN: &str = "/no-such-file/vectors-begin";
const END: &str = "/no-such-file/vectors-end";
const SEEN: &str = "/no-such-file/seen";

/// What the child does: everything is made and used once before the mark, so that what a library loads at its first use is loaded.
#[test]
#[ignore = "started by the test below, under strace"]
fn validates_every_vector_between_two_marks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let stories = super::all();
    for (_, vectors) in stories.iter().filter(|(story, _)| matches!(*story, "s29_taken" | "r02_signatures")) {
        for vector in vectors {
            runtime.block_on(vector.run(&validator)).ok();
        }
    }
    std::fs::File::open(BEGIN).unwrap_err();
    for (_, vectors) in &stories {
        for vector in vectors {
            runtime.block_on(vector.run(&validator)).ok();
        }
    }
    std::fs::File::open(END).unwrap_err();
    // What the tracer must see, or it sees nothing.
    std::fs::File::open(SEEN).unwrap_err();
    std::net::TcpStream::connect("127.0.0.1:9").ok();
}

#[test]
fn sso_s20_no_message_makes_it_open_a_file_or_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("trace");
    let child = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=connect,socket,sendto,open,openat,openat2,execve,unlink,rename", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "saml::traced::validates_every_vector_between_two_marks"])
        .output()
        .expect("strace is missing; script/bootstrap --test installs it");
    assert!(child.status.success(), "{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    let log = std::fs::read_to_string(log).unwrap();
    let (_, after) = log.split_once(BEGIN).expect("the first mark is in the trace");
    let (during, after) = after.split_once(END).expect("the second mark is in the trace");
    assert!(after.contains(SEEN) && after.contains("connect("), "the tracer sees files and connections: {after}");
    let calls: Vec<_> = during.lines().skip(1).filter(|line| line.contains('(')).collect();
    assert_eq!(calls.len(), 1, "nothing is called but the second mark: {calls:#?}");
}
