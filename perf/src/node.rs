//! One Kafka server process: its configuration, its data directory, and what can be done to it.

use crate::child::{Child, SIGCONT, SIGSTOP, SIGTERM, Spawn};
use crate::error::{Error, Result};
use crate::jars;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const START_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(45);

/// Its data survive stop and kill, until it is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) port: u16,
    jars: PathBuf,
    dir: PathBuf,
    heap_mb: u32,
    child: Option<Child>,
}

/// How a node's storage is formatted: alone, or as one of a quorum.
pub(crate) enum Quorum<'a> {
    Standalone,
    Of { initial_controllers: &'a str },
}

/// What a node is made of.
pub(crate) struct Plan<'a> {
    pub(crate) jars: &'a Path,
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    pub(crate) heap_mb: u32,
    pub(crate) cluster_id: &'a str,
    pub(crate) quorum: Quorum<'a>,
    /// Further words for the tool that formats the storage.
    pub(crate) format_args: &'a [String],
    /// In the order of their importance: a later one of the same name wins.
    pub(crate) properties: Vec<(String, String)>,
}

impl Node {
    /// Writes its configuration and formats its storage; does not start it.
    pub(crate) fn format(plan: Plan<'_>) -> Result<Node> {
        let Plan { jars, dir, port, heap_mb, cluster_id, quorum, format_args, properties } = plan;
        std::fs::create_dir_all(dir.join("log"))?;
        let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let config = dir.join("server.properties");
        std::fs::write(&config, text)?;
        let config = config.display().to_string();
        let mut args = vec!["format", "-t", cluster_id, "-c", &config];
        match quorum {
            Quorum::Standalone => args.push("--standalone"),
            Quorum::Of { initial_controllers } => args.extend(["--initial-controllers", initial_controllers]),
        }
        args.extend(format_args.iter().map(String::as_str));
        // A short-lived process: the simplest collector and compiler start fastest.
        let flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(str::to_owned);
        let format = java(jars, &flags).args(["kafka.tools.StorageTool"]).args(args).start()?;
        let exit = format
            .wait(START_WITHIN)
            .ok_or_else(|| Error::new("formatting Kafka's storage took too long"))?;
        if !exit.is_success() {
            let said = [format.stdout(), format.stderr()].concat().join("\n");
            return Err(Error(format!("formatting Kafka's storage: {exit}: {said}")));
        }
        Ok(Node { port, jars: jars.to_owned(), dir, heap_mb, child: None })
    }

    /// Starts the process; [`Node::wait_ready`] waits for it.
    pub(crate) fn launch(&mut self) -> Result<()> {
        assert!(self.child.is_none(), "it is stopped before it is started again");
        let heap = format!("{}m", self.heap_mb);
        let flags = [format!("-Xms{heap}"), format!("-Xmx{heap}"), "-XX:+UseG1GC".to_owned()];
        let spawn = java(&self.jars, &flags).args(["kafka.Kafka"]).args([self.path("server.properties")]);
        self.child = Some(spawn.log(self.path("broker.log")).dir(&self.dir).start()?);
        Ok(())
    }

    /// Waits until its port is open.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        let child = self.child.as_ref().ok_or_else(|| Error::new("the broker is not running"))?;
        let end = Instant::now() + START_WITHIN;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(exit) = child.wait(Duration::from_millis(50)) {
                return Err(Error(format!("the broker ended at start, {exit}:\n{}", self.last_lines())));
            }
            if Instant::now() > end {
                return Err(Error(format!(
                    "the broker did not open port {}:\n{}",
                    self.port,
                    self.last_lines()
                )));
            }
        }
        Ok(())
    }

    /// SIGTERM and the wait for its end; SIGKILL when that takes too long. A node that is down stays so.
    pub(crate) fn stop(&mut self) {
        let Some(child) = self.child.take() else { return };
        child.signal(SIGCONT);
        child.signal(SIGTERM);
        if child.wait(STOP_WITHIN).is_none() {
            child.kill();
        }
    }

    /// SIGKILL and the wait for its end. A node that is down stays so.
    pub(crate) fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill();
        }
    }

    /// SIGSTOP: it hangs, its connections stay open.
    pub(crate) fn pause(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.signal(SIGSTOP))
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.signal(SIGCONT))
    }

    /// Cuts the last segment of a partition to so many bytes, as a disk that lost its last writes does. The node must not run.
    pub(crate) fn truncate_log(&self, topic: &str, partition: i32, bytes: u64) -> Result<()> {
        let last = segments(&self.dir.join("log").join(format!("{topic}-{partition}")))?.into_iter().max();
        let last = last.ok_or_else(|| Error::new(format!("{topic}[{partition}] has no segment")))?;
        Ok(std::fs::OpenOptions::new().write(true).open(last)?.set_len(bytes)?)
    }

    /// What the segments of a topic take on disk.
    pub(crate) fn disk_bytes(&self, topic: &str) -> Result<u64> {
        let mut bytes = 0;
        for partition in std::fs::read_dir(self.dir.join("log"))? {
            let partition = partition?;
            let name = partition.file_name().to_string_lossy().into_owned();
            let is_of_topic = name.rsplit_once('-').is_some_and(|(of, number)| {
                of == topic && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
            if is_of_topic {
                for segment in segments(&partition.path())? {
                    bytes += std::fs::metadata(segment)?.len();
                }
            }
        }
        Ok(bytes)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.path("broker.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Node {
    /// Kills it and removes its data.
    pub(crate) fn discard(&mut self) {
        self.kill();
        // What cannot be removed is found and removed by the next run.
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

pub(crate) fn java(jars: &Path, flags: &[String]) -> Spawn {
    let class_path = jars.join("*").display().to_string();
    Spawn::new(jars::java()).args(flags.iter().cloned()).args([
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        &class_path,
    ])
}

/// The segments in a partition's folder.
fn segments(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            found.push(path);
        }
    }
    Ok(found)
}

/// A new directory for a node's data, with the process's id in its name. Those of processes that are gone are removed.
pub(crate) fn data_directory(port: u16) -> Result<PathBuf> {
    const PREFIX: &str = "gristmill-kafka-";
    let root = std::env::temp_dir();
    for entry in std::fs::read_dir(&root)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
    let dir = root.join(format!("{PREFIX}{}-{port}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// An id as Kafka writes them: 16 bytes in URL-safe base64. From text, so that it never begins with a dash.
pub(crate) fn uuid(number: u32) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("gristmill{number:07}"))
}
