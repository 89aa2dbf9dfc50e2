//! Kafka's jars: fetched once by Maven into `target/kafka`, shared by every test binary of the checkout.

use crate::error::{Error, Result};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

const POM: &str = include_str!("../kafka/pom.xml");

/// Why there is no Kafka on this machine. Not a failure of a test: it is skipped.
#[derive(Debug, Clone)]
pub struct Unavailable(pub String);

/// The directory with the jars, after fetching them if need be.
///
/// Several processes may ask at once: the first one fetches, the others wait for it.
pub(crate) fn directory() -> std::result::Result<PathBuf, Unavailable> {
    let java = java();
    if let Err(error) = Command::new(&java).arg("-version").output() {
        return Err(Unavailable(format!(
            "GRISTMILL_TEST_KAFKA is not set and {} does not run: {error}",
            java.display()
        )));
    }
    fetched(&home()).map_err(|error| Unavailable(format!("Kafka's jars could not be fetched: {error}")))
}

/// The Java to run: that of `JAVA_HOME`, else the one on the path.
pub(crate) fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(|| "java".into(), |home| Path::new(&home).join("bin/java"))
}

/// The version of Kafka that the pom names.
pub(crate) fn version() -> Option<&'static str> {
    let (_, rest) = POM.split_once("<kafka.version>")?;
    rest.split_once('<').map(|(version, _)| version)
}

fn home() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("kafka")
}

fn fetched(home: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(home)?;
    let _lock = Lock::take(&home.join("lock"))?;
    let (jars, stamp) = (home.join("lib"), home.join("fetched.xml"));
    // The stamp is the pom itself: another version of Kafka is fetched anew.
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == POM) {
        return Ok(jars);
    }
    let pom = home.join("pom.xml");
    std::fs::write(&pom, POM)?;
    if jars.exists() {
        std::fs::remove_dir_all(&jars)?;
    }
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", jars.canonicalize().unwrap_or_else(|_| jars.clone()).display()))
        .output()
        .map_err(Error::while_doing("mvn does not run"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.lines().find(|line| line.contains("ERROR")).unwrap_or("it said nothing").to_owned();
        return Err(Error(format!("mvn ended with {}: {said}", output.status)));
    }
    std::fs::write(&stamp, POM)?;
    Ok(jars)
}

/// A lock on a file, held until dropped (or until the process ends).
struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl Lock {
    fn take(path: &Path) -> Result<Lock> {
        let file = File::create(path)?;
        // SAFETY: flock is a plain system call on a descriptor that `file` keeps open.
        while unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } != 0 {
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        Ok(Lock(file))
    }
}
