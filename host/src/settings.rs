//! Flags, environment and configuration file, as given and as checked settings.
//!
//! A flag wins over its `ABIDE_*` variable, that over the file, that over the default. This is the
//! only module that reads the environment.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use clap::Args;
use serde::Deserialize;

use crate::limits::Limits;

/// Kernel maps that a live instance may need, with its stack.
const MAPS_PER_INSTANCE: usize = 8;
const MAX_MAP_COUNT: &str = "/proc/sys/vm/max_map_count";

/// What `serve` takes: the same names as flags, in the file and, in capitals behind `ABIDE_`, in
/// the environment.
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Given {
    /// Configuration file (TOML) with these same names
    #[arg(long, value_name = "FILE", env = "ABIDE_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Directory for everything durable; made if missing [default: abide-data]
    #[arg(long, value_name = "DIR", env = "ABIDE_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
    /// Address for requests to objects; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "ABIDE_INGRESS", hide_env_values = true)]
    pub ingress: Option<SocketAddr>,
    /// Address of the control API; beyond loopback only with a configured token [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", env = "ABIDE_CONTROL", hide_env_values = true)]
    pub control: Option<SocketAddr>,
    /// Token of the control API; without one, a generated one is kept in DIR/control-token
    #[arg(long, value_name = "TOKEN", env = "ABIDE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File that appears, with the addresses as JSON, once both listeners accept
    #[arg(long, value_name = "FILE", env = "ABIDE_READY_FILE", hide_env_values = true)]
    pub ready_file: Option<PathBuf>,
    /// Do not offer the bundled counter class
    #[arg(long, env = "ABIDE_NO_BUNDLED", hide_env_values = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub no_bundled: Option<bool>,
    /// Log for machines: one JSON object per line
    #[arg(long, env = "ABIDE_LOG_JSON", hide_env_values = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub log_json: Option<bool>,
    /// What to log, for example `info,guest=debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "ABIDE_LOG", hide_env_values = true)]
    pub log: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    limits: GivenLimits,
}

/// The limits among the settings.
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Limits")]
struct GivenLimits {
    /// Linear memory of one instance [default: 128MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_MEMORY_LIMIT", hide_env_values = true)]
    memory_limit: Option<ByteSize>,
    /// Time that one event may compute without a pause [default: 30s]
    #[arg(long, value_name = "TIME", env = "ABIDE_CPU_LIMIT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    cpu_limit: Option<Duration>,
    /// Time that one event may take [default: 60s]
    #[arg(long, value_name = "TIME", env = "ABIDE_EVENT_TIMEOUT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    event_timeout: Option<Duration>,
    /// Events that may wait for one object [default: 1000]
    #[arg(long, value_name = "COUNT", env = "ABIDE_QUEUE_LIMIT", hide_env_values = true)]
    queue_limit: Option<usize>,
    /// Body of a request or response [default: 32MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_BODY_LIMIT", hide_env_values = true)]
    body_limit: Option<ByteSize>,
    /// Value of one key [default: 2MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_VALUE_LIMIT", hide_env_values = true)]
    value_limit: Option<ByteSize>,
    /// Uncommitted writes of one event [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_WRITE_LIMIT", hide_env_values = true)]
    write_limit: Option<ByteSize>,
    /// Uploaded component [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_COMPONENT_LIMIT", hide_env_values = true)]
    component_limit: Option<ByteSize>,
    /// Processor time for compiling an upload [default: 60s]
    #[arg(long, value_name = "TIME", env = "ABIDE_COMPILE_CPU_LIMIT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    compile_cpu_limit: Option<Duration>,
    /// Memory for compiling an upload [default: 2GiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_COMPILE_MEMORY_LIMIT", hide_env_values = true)]
    compile_memory_limit: Option<ByteSize>,
    /// Instances in memory; bounded by the kernel's limit of maps [default: 8000]
    #[arg(long, value_name = "COUNT", env = "ABIDE_INSTANCE_LIMIT", hide_env_values = true)]
    instance_limit: Option<usize>,
    /// Time after which an idle instance leaves memory [default: 10s]
    #[arg(long, value_name = "TIME", env = "ABIDE_IDLE_TIMEOUT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    idle_timeout: Option<Duration>,
    /// Time that a client may take for the head of a request, and between parts of its body [default: 30s]
    #[arg(long, value_name = "TIME", env = "ABIDE_CLIENT_TIMEOUT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    client_timeout: Option<Duration>,
    /// Time that running events get to finish after a signal to stop [default: 30s]
    #[arg(long, value_name = "TIME", env = "ABIDE_DRAIN_TIMEOUT", hide_env_values = true, value_parser = humantime::parse_duration)]
    #[serde(with = "humantime_serde::option")]
    drain_timeout: Option<Duration>,
    /// Memory that the database may use as a cache [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "ABIDE_STORE_CACHE", hide_env_values = true)]
    store_cache: Option<ByteSize>,
}

/// Settings that hold together.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Everything durable.
    pub data_dir: PathBuf,
    /// Where requests to objects come in.
    pub ingress: SocketAddr,
    /// Where the control API is.
    pub control: SocketAddr,
    /// The configured token, if any.
    pub token: Option<String>,
    /// Where the addresses are written.
    pub ready_file: Option<PathBuf>,
    /// Whether the bundled class is offered.
    pub bundled: bool,
    /// The bounds.
    pub limits: Limits,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not right.
    #[error("the configuration file {path} is wrong")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The control API would be open to others.
    #[error(
        "the control API on {0} could be reached from other machines; \
         set --token (or ABIDE_TOKEN), or bind it to a loopback address"
    )]
    ControlExposed(SocketAddr),
    /// An empty token admits everybody.
    #[error("the token is empty; set one, or leave it out to have one generated")]
    TokenEmpty,
    /// A limit that leaves nothing.
    #[error("{0} must not be 0")]
    Zero(&'static str),
}

impl Given {
    /// What was given on the command line and in the environment, completed from the file.
    pub fn complete(self) -> Result<Self, SettingsError> {
        let Some(path) = &self.config else { return Ok(self) };
        let file = read_file(path)?;
        Ok(Self {
            data_dir: self.data_dir.or(file.data_dir),
            ingress: self.ingress.or(file.ingress),
            control: self.control.or(file.control),
            token: self.token.or(file.token),
            ready_file: self.ready_file.or(file.ready_file),
            no_bundled: self.no_bundled.or(file.no_bundled),
            log_json: self.log_json.or(file.log_json),
            log: self.log.or(file.log),
            limits: self.limits.or(file.limits),
            config: self.config,
        })
    }

    /// Checked settings, with defaults for what is missing.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let control = self.control.unwrap_or(loopback(8081));
        if self.token.as_ref().is_some_and(|token| token.trim().is_empty()) {
            return Err(SettingsError::TokenEmpty);
        }
        if !control.ip().is_loopback() && self.token.is_none() {
            return Err(SettingsError::ControlExposed(control));
        }
        Ok(Settings {
            data_dir: self.data_dir.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR)),
            ingress: self.ingress.unwrap_or(loopback(8080)),
            control,
            token: self.token,
            ready_file: self.ready_file,
            bundled: !self.no_bundled.unwrap_or(false),
            limits: self.limits.limits()?,
        })
    }
}

/// The data directory where none is named.
pub const DEFAULT_DATA_DIR: &str = "abide-data";

impl GivenLimits {
    fn or(self, file: Self) -> Self {
        Self {
            memory_limit: self.memory_limit.or(file.memory_limit),
            cpu_limit: self.cpu_limit.or(file.cpu_limit),
            event_timeout: self.event_timeout.or(file.event_timeout),
            queue_limit: self.queue_limit.or(file.queue_limit),
            body_limit: self.body_limit.or(file.body_limit),
            value_limit: self.value_limit.or(file.value_limit),
            write_limit: self.write_limit.or(file.write_limit),
            component_limit: self.component_limit.or(file.component_limit),
            compile_cpu_limit: self.compile_cpu_limit.or(file.compile_cpu_limit),
            compile_memory_limit: self.compile_memory_limit.or(file.compile_memory_limit),
            instance_limit: self.instance_limit.or(file.instance_limit),
            idle_timeout: self.idle_timeout.or(file.idle_timeout),
            client_timeout: self.client_timeout.or(file.client_timeout),
            drain_timeout: self.drain_timeout.or(file.drain_timeout),
            store_cache: self.store_cache.or(file.store_cache),
        }
    }

    fn limits(self) -> Result<Limits, SettingsError> {
        let size = |given: Option<ByteSize>, default: usize| {
            given.map_or(default, |size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX))
        };
        let default = Limits::default();
        let limits = Limits {
            memory_bytes: size(self.memory_limit, default.memory_bytes),
            cpu: self.cpu_limit.unwrap_or(default.cpu),
            wall: self.event_timeout.unwrap_or(default.wall),
            mailbox_len: self.queue_limit.unwrap_or(default.mailbox_len),
            body_bytes: size(self.body_limit, default.body_bytes),
            value_bytes: size(self.value_limit, default.value_bytes),
            event_write_bytes: size(self.write_limit, default.event_write_bytes),
            component_bytes: size(self.component_limit, default.component_bytes),
            compile_cpu: self.compile_cpu_limit.unwrap_or(default.compile_cpu),
            compile_memory_bytes: self
                .compile_memory_limit
                .map_or(default.compile_memory_bytes, |size| size.as_u64()),
            live_instances: instances(self.instance_limit, default.live_instances),
            idle: self.idle_timeout.unwrap_or(default.idle),
            client_patience: self.client_timeout.unwrap_or(default.client_patience),
            drain: self.drain_timeout.unwrap_or(default.drain),
            store_cache_bytes: size(self.store_cache, default.store_cache_bytes),
        };
        let zeros = [
            ("memory-limit", limits.memory_bytes == 0),
            ("cpu-limit", limits.cpu.is_zero()),
            ("event-timeout", limits.wall.is_zero()),
            ("queue-limit", limits.mailbox_len == 0),
            ("value-limit", limits.value_bytes == 0),
            ("write-limit", limits.event_write_bytes == 0),
            ("component-limit", limits.component_bytes == 0),
            ("instance-limit", limits.live_instances == 0),
            ("client-timeout", limits.client_patience.is_zero()),
        ];
        match zeros.iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(SettingsError::Zero(name)),
            None => Ok(limits),
        }
    }
}

/// How many instances the kernel's limit of maps allows: beyond it, memory runs out for the whole
/// process.
fn instances(given: Option<usize>, default: usize) -> usize {
    let wanted = given.unwrap_or(default);
    let maps = fs::read_to_string(MAX_MAP_COUNT).ok().and_then(|text| text.trim().parse().ok());
    let allowed = maps.map_or(wanted, |maps: usize| maps / MAPS_PER_INSTANCE);
    if given.is_some() && allowed < wanted {
        tracing::warn!(wanted, allowed, "instance-limit is more than vm.max_map_count allows");
    }
    wanted.min(allowed)
}

fn read_file(path: &Path) -> Result<Given, SettingsError> {
    let text = fs::read_to_string(path)
        .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| SettingsError::Parse { path: path.to_owned(), source: Box::new(source) })
}
