//! A child process under observation: a clean environment, its lines, signals, a wait with a deadline, what it used.
//!
//! A thread of its own starts each child and reaps it. That thread lives exactly as long as the child, so the kernel can be
//! asked to kill the child when the thread ends (`PR_SET_PDEATHSIG`): nothing outlives a test that crashed. The wait happens
//! in two steps, look (`WNOWAIT`) and reap under the lock, so that a signal never goes to a process id that has been reused.

use crate::error::{Error, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use libc::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Spawn {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    log: Option<PathBuf>,
    dir: Option<PathBuf>,
}

/// Variables that a child keeps from us: where programs and homes are, and where coverage goes.
const KEPT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "JAVA_HOME", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"];

impl Spawn {
    /// `program` without arguments, with nothing of our environment but where programs and homes are.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let env =
            KEPT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let program = program.as_ref().to_owned();
        Self { program, args: Vec::new(), env, stdin: None, log: None, dir: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable; the last value of a name counts.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Gives these bytes on standard input; without it, standard input is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Appends standard output and error to this file, instead of keeping their lines.
    #[must_use]
    pub fn log(mut self, path: impl AsRef<Path>) -> Self {
        self.log = Some(path.as_ref().to_owned());
        self
    }

    /// Runs in this directory.
    #[must_use]
    pub fn dir(mut self, path: impl AsRef<Path>) -> Self {
        self.dir = Some(path.as_ref().to_owned());
        self
    }

    /// The command as one would type it, variables first, without those that were kept.
    pub fn line(&self) -> String {
        let set = self.env.iter().filter(|(name, _)| !KEPT.contains(&name.as_str()));
        let mut words: Vec<String> = set.map(|(name, value)| format!("{name}={value}")).collect();
        words.push(self.program.display().to_string());
        words.extend(self.args.iter().cloned());
        words.join(" ")
    }

    /// Starts it.
    pub fn start(self) -> Result<Child> {
        let program = self.program.display().to_string();
        let (started, answer) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("child".into())
            .spawn(move || match self.launch() {
                Ok((pid, shared)) => {
                    let sent = started.send(Ok((pid, Arc::clone(&shared))));
                    debug_assert!(sent.is_ok(), "the caller waits for the answer");
                    shared.reap(pid);
                }
                Err(error) => {
                    let sent = started.send(Err(error));
                    debug_assert!(sent.is_ok(), "the caller waits for the answer");
                }
            })
            .map_err(Error::while_doing("no thread for a child process"))?;
        let answer = answer.recv().map_err(Error::while_doing("the child's thread"))?;
        let (pid, shared) = answer.map_err(Error::while_doing(format!("cannot start {program}")))?;
        Ok(Child { pid, program, shared })
    }

    fn launch(self) -> std::io::Result<(i32, Arc<Shared>)> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(path) = &self.log {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
            command.stdout(file.try_clone()?).stderr(file);
        } else {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        // SAFETY: prctl is a plain system call, allowed between fork and exec; nothing is allocated or locked.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).expect("a Linux process id fits i32");
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(child.stdout.is_some())),
            changed: Condvar::new(),
        });
        if let Some(out) = child.stdout.take() {
            collect(out, Arc::clone(&shared), |state| &mut state.stdout)?;
        }
        if let Some(err) = child.stderr.take() {
            collect(err, Arc::clone(&shared), |state| &mut state.stderr)?;
        }
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin) {
            // A child that does not read its input closes the pipe; that is its own business.
            std::thread::Builder::new()
                .name("child stdin".into())
                .spawn(move || pipe.write_all(&bytes).ok())?;
        }
        Ok((pid, shared))
    }
}

/// A started child. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    program: String,
    shared: Arc<Shared>,
}

/// How a child ended and what it used, from the kernel's account of it.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// Its exit code, if it was not ended by a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// The most memory it was seen to have resident, in bytes, looked at every 20 ms; 0 for a life too short for a look.
    pub peak_rss_bytes: u64,
    /// From start to end.
    pub wall: Duration,
}

impl Exit {
    /// Whether it ended by itself with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit {code}"),
            (None, Some(signal)) => write!(f, "killed by signal {signal}"),
            (None, None) => f.write_str("ended"),
        }
    }
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The lines on standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.shared.lock().stderr.clone()
    }

    /// The lines on standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.shared.lock().stdout.clone()
    }

    /// Waits for a line on standard error that contains `text`; gives the line.
    pub fn wait_for_line(&self, text: &str, within: Duration) -> Result<String> {
        self.wait_for_line_from(0, text, within).map(|(_, line)| line)
    }

    /// The same among the lines from number `from` on; also gives the line's number, so that one can go on after it.
    pub fn wait_for_line_from(&self, from: usize, text: &str, within: Duration) -> Result<(usize, String)> {
        let find = |state: &State| {
            let lines = state.stderr.iter().enumerate().skip(from);
            lines.into_iter().find(|(_, line)| line.contains(text)).map(|(at, line)| (at, line.clone()))
        };
        let state = self.shared.wait_until(within, |state| find(state).is_some() || state.is_over());
        find(&state).ok_or_else(|| {
            let last = state.stderr.iter().rev().take(5).rev().cloned().collect::<Vec<_>>().join("\n  ");
            let fate = state.exit.map_or("still running".to_owned(), |exit| exit.to_string());
            Error(format!(
                "{} ({fate}) did not write “{text}” within {within:?}; its last lines:\n  {last}",
                self.program
            ))
        })
    }

    /// Sends a signal; `false` when the process is gone.
    pub fn signal(&self, signal: i32) -> bool {
        let state = self.shared.lock();
        // SAFETY: kill is a plain system call. While `exit` is empty the process has not been reaped (that happens under this
        // lock), so the id is still its own.
        state.exit.is_none() && unsafe { libc::kill(self.pid, signal) } == 0
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.shared.lock().exit.is_none()
    }

    /// Waits for its end and for its last lines; `None` when `within` has passed.
    pub fn wait(&self, within: Duration) -> Option<Exit> {
        self.shared.wait_until(within, |state| state.exit.is_some()).exit?;
        // A grandchild may hold the pipes open for longer: its lines are not waited for.
        self.shared.wait_until(Duration::from_secs(10), State::is_over).exit
    }

    /// Kills it and waits for the end.
    pub fn kill(&self) -> Exit {
        self.signal(SIGKILL);
        self.wait(Duration::from_secs(60)).expect("a killed process ends")
    }

    /// The most memory it has had resident so far, in bytes; 0 before the first look at it.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.shared.lock().peak_rss_bytes
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    stdout: Vec<String>,
    stderr: Vec<String>,
    streams_open: u8,
    started: Instant,
    peak_rss_bytes: u64,
    exit: Option<Exit>,
}

impl State {
    fn new(piped: bool) -> Self {
        let streams_open = if piped { 2 } else { 0 };
        Self {
            stdout: Vec::new(),
            stderr: Vec::new(),
            streams_open,
            started: Instant::now(),
            peak_rss_bytes: 0,
            exit: None,
        }
    }

    fn is_over(&self) -> bool {
        self.exit.is_some() && self.streams_open == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics with this lock")
    }

    fn wait_until(&self, within: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), within, |state| !done(state))
            .expect("no one panics with this lock");
        state
    }

    fn reap(&self, pid: i32) {
        self.watch(pid);
        // SAFETY: all zeroes is a valid siginfo_t and a valid rusage; both are only written to. waitid with WNOWAIT and wait4
        // are called for our own child, which no one else reaps.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let id = libc::id_t::try_from(pid).expect("a process id is positive");
            while libc::waitid(libc::P_PID, id, &mut info, libc::WEXITED | libc::WNOWAIT) != 0 {}
            let mut state = self.lock();
            let mut status = 0;
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::wait4(pid, &mut status, 0, &mut usage);
            let status = ExitStatus::from_raw(status);
            let (code, signal, cpu) = (status.code(), status.signal(), crate::usage::cpu_of(&usage));
            let (wall, peak_rss_bytes) = (state.started.elapsed(), state.peak_rss_bytes);
            state.exit = Some(Exit { code, signal, cpu, peak_rss_bytes, wall });
        }
        self.changed.notify_all();
    }

    /// Looks at a child's memory until it ends: afterwards the kernel only tells what includes its parent's (see
    /// [`crate::usage::peak_rss_bytes`]).
    fn watch(&self, pid: i32) {
        const EVERY_MS: i32 = 20;
        // SAFETY: pidfd_open and poll are plain system calls; the descriptor is ours, and closed once, by `OwnedFd`.
        unsafe {
            let descriptor = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            let Ok(descriptor @ 0..) = i32::try_from(descriptor) else { return };
            let descriptor = OwnedFd::from_raw_fd(descriptor);
            let mut ended = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            while ended.revents == 0 {
                if let Some(seen) = crate::usage::peak_rss_bytes(pid.unsigned_abs()) {
                    let mut state = self.lock();
                    state.peak_rss_bytes = state.peak_rss_bytes.max(seen);
                }
                libc::poll(&mut ended, 1, EVERY_MS);
            }
        }
    }
}

fn collect<R: Read + Send + 'static>(
    stream: R,
    shared: Arc<Shared>,
    place: impl Fn(&mut State) -> &mut Vec<String> + Send + 'static,
) -> std::io::Result<()> {
    let read = move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            place(&mut shared.lock()).push(text);
            shared.changed.notify_all();
            line.clear();
        }
        shared.lock().streams_open -= 1;
        shared.changed.notify_all();
    };
    std::thread::Builder::new().name("child output".into()).spawn(read)?;
    Ok(())
}

#[cfg(test)]
mod tests;
