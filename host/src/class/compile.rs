//! Compiling in a process of its own.
//!
//! Compilers need time and memory that nobody can foretell, and may break on hostile input. So
//! untrusted bytes are parsed and compiled in a child process of this same program, with bounds
//! that the kernel holds, and never in the server.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
};

use super::check;
use crate::{guest, limits::Limits};

/// Threads of one compilation.
const THREADS: &str = "2";
/// Waiting time beyond the processor time: for input, output and a busy machine.
const WALL_FACTOR: u32 = 3;

const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// Starts compiling processes, one at a time.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    cpu: Duration,
    memory_bytes: u64,
    one_at_a_time: Semaphore,
}

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// The component is not acceptable.
    Rejected(String),
    /// It needs more time or memory than allowed.
    Limit(String),
    /// A fault of ours.
    Failed(String),
}

/// What the child is told.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    cpu_seconds: u64,
    memory_bytes: u64,
}

/// What the child answers, before the code.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Compiled,
    Rejected(String),
    Failed(String),
}

impl Compiler {
    /// A compiler that runs this program (our own) with the argument `compile`.
    pub fn new(program: PathBuf, limits: &Limits) -> Self {
        Self {
            program,
            cpu: limits.compile_cpu,
            memory_bytes: limits.compile_memory_bytes,
            one_at_a_time: Semaphore::new(1),
        }
    }

    /// Checks and compiles a component.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let _turn = self.one_at_a_time.acquire().await.expect("the semaphore is never closed");
        let job = Job { cpu_seconds: self.cpu.as_secs().max(1), memory_bytes: self.memory_bytes };
        let mut child = Command::new(&self.program)
            .arg("compile")
            .arg(serde_json::to_string(&job).map_err(failed("describe the job"))?)
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .env("MALLOC_ARENA_MAX", THREADS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed("start the compiler"))?;
        match tokio::time::timeout(self.cpu * WALL_FACTOR, converse(&mut child, component)).await {
            Ok(Ok(output)) => self.read_output(output, child).await,
            Ok(Err(error)) => Err(failed("talk to the compiler")(error)),
            Err(_) => Err(self.over_time()),
        }
    }

    async fn read_output(
        &self,
        output: Vec<u8>,
        mut child: Child,
    ) -> Result<Vec<u8>, CompileError> {
        let status = child.wait().await.map_err(failed("wait for the compiler"))?;
        if !status.success() {
            use std::os::unix::process::ExitStatusExt;
            return Err(match status.signal() {
                // The kernel's answers at the soft and at the hard limit.
                Some(SIGXCPU | SIGKILL) => self.over_time(),
                // Rust aborts when memory runs out, others access what they did not get.
                Some(_) => CompileError::Limit(format!(
                    "needs more memory than the limit of {} bytes ({status})",
                    self.memory_bytes
                )),
                None => CompileError::Failed(format!("the compiling process ended: {status}")),
            });
        }
        let end = output.iter().position(|byte| *byte == b'\n');
        let (report, code) = output.split_at(end.unwrap_or(output.len()));
        match serde_json::from_slice(report).map_err(failed("read the compiler's report"))? {
            Report::Compiled => Ok(code[1..].to_vec()),
            Report::Rejected(reason) => Err(CompileError::Rejected(reason)),
            Report::Failed(reason) => Err(CompileError::Failed(reason)),
        }
    }

    fn over_time(&self) -> CompileError {
        CompileError::Limit(format!("takes longer than the limit of {} s", self.cpu.as_secs()))
    }
}

/// Sends the component and takes the output, both at once so that neither side waits for ever.
async fn converse(child: &mut Child, component: &[u8]) -> io::Result<Vec<u8>> {
    let missing = || io::Error::other("no pipe");
    let mut to_child = child.stdin.take().ok_or_else(missing)?;
    let mut from_child = child.stdout.take().ok_or_else(missing)?;
    let send = async {
        // A child that has died does not read on; its exit status tells why.
        _ = to_child.write_all(component).await;
        drop(to_child);
    };
    let mut output = Vec::new();
    let receive = from_child.read_to_end(&mut output);
    let ((), received) = tokio::join!(send, receive);
    received?;
    Ok(output)
}

/// The child's side: bounds itself, then reads a component from stdin and writes a report and the
/// code to stdout.
pub fn run_child(job: &str) -> io::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    bound_process(&job)?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component)?;
    let (report, code) = match check::check(&component) {
        Err(reason) => (Report::Rejected(reason), Vec::new()),
        Ok(()) => match guest::compile(&component) {
            Ok(code) => (Report::Compiled, code),
            // What validates is compiled; what is left are limits of the compiler itself.
            Err(error) => (Report::Rejected(format!("it cannot be compiled: {error}")), Vec::new()),
        },
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &report)?;
    stdout.write_all(b"\n")?;
    stdout.write_all(&code)?;
    stdout.flush()
}

/// Bounds that the kernel holds, whatever the compiler does.
fn bound_process(job: &Job) -> io::Result<()> {
    use rlimit::Resource;
    Resource::CPU.set(job.cpu_seconds, job.cpu_seconds + 1)?;
    Resource::AS.set(job.memory_bytes, job.memory_bytes)?;
    // Writes no file, leaves no core dump.
    Resource::FSIZE.set(0, 0)?;
    Resource::CORE.set(0, 0)
}

fn failed<E: std::fmt::Display>(action: &'static str) -> impl Fn(E) -> CompileError {
    move |error| CompileError::Failed(format!("cannot {action}: {error}"))
}
