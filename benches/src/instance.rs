//! `benches instance`: what starting, calling and keeping an instance costs, without HTTP.
//!
//! The bundled counter in this process: one thread, the real engine settings and imports, a store
//! in a temporary directory. Writes are undone and not committed, so the disk has no part in it.

use std::{
    fs,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use abide::{
    bundled,
    event::Request,
    guest::{self, EventLimits, Identity, Instance, Program, Runtime, State},
    id::{ClassKey, ObjectId},
    limits::Limits,
    storage::{
        commit::Store,
        redb::RedbEngine,
        view::{Bounds, View},
        write_set::ObjectRecord,
    },
};
use anyhow::{Context as _, Result, anyhow};
use clap::Args;

/// How often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Instances to start one after the other, and calls to one of them
    #[arg(long, default_value_t = 5_000)]
    times: usize,
    /// Instances to keep at the same time
    #[arg(long, default_value_t = 2_000)]
    kept: usize,
}

/// What all instances are made of.
struct Maker {
    runtime: Runtime,
    program: Program,
    store: Arc<Store>,
    limits: Limits,
}

/// Measures and prints a table.
pub(crate) fn run(options: Options, out: &mut impl Write) -> Result<()> {
    let directory = tempfile::tempdir().context("making a temporary directory")?;
    let limits = Limits::default();
    let engine = RedbEngine::new(directory.path(), limits.store_cache_bytes)?;
    let runtime = Runtime::new(&limits)?;
    let program = runtime.load(&guest::compile(bundled::COMPONENT)?)?;
    let store = Arc::new(Store::open(Box::new(engine))?);
    let maker = Maker { runtime, program, store, limits };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(measure(&maker, options, out))
}

async fn measure(maker: &Maker, options: Options, out: &mut impl Write) -> Result<()> {
    let (mut start, mut first, mut drops) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..options.times {
        let began = Instant::now();
        let mut instance = maker.start(number).await?;
        start.push(began.elapsed());
        let began = Instant::now();
        call(&mut instance, maker).await?;
        first.push(began.elapsed());
        let began = Instant::now();
        drop(instance);
        drops.push(began.elapsed());
    }
    let mut instance = maker.start(0).await?;
    let mut calls = Vec::new();
    for _ in 0..options.times {
        let began = Instant::now();
        call(&mut instance, maker).await?;
        calls.push(began.elapsed());
    }
    writeln!(out, "| what | median | 99 % below |")?;
    writeln!(out, "|---|---:|---:|")?;
    let rows = [
        ("start an instance, with its view and WASI context", &mut start),
        ("its first call", &mut first),
        ("drop it", &mut drops),
        ("a later call, with one get and one put", &mut calls),
    ];
    for (what, times) in rows {
        let (median, high) = quantiles(times);
        writeln!(out, "| {what} | {median:.1} us | {high:.1} us |")?;
    }
    let before = Memory::now()?;
    let mut kept = Vec::with_capacity(options.kept);
    for number in 0..options.kept {
        let mut instance = maker.start(number).await?;
        call(&mut instance, maker).await?;
        kept.push(instance);
    }
    let after = Memory::now()?;
    let each = |before: u64, after: u64| {
        let tenths = after.saturating_sub(before) * 10 / (kept.len() as u64).max(1);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    writeln!(out, "\nEach of {} instances after one call:", kept.len())?;
    writeln!(out, "{} KiB private,", each(before.private_kib, after.private_kib))?;
    writeln!(out, "{} KiB resident,", each(before.resident_kib, after.resident_kib))?;
    writeln!(out, "{} kernel maps.", each(before.maps, after.maps))?;
    Ok(())
}

impl Maker {
    async fn start(&self, number: usize) -> Result<Instance> {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let id = ClassKey::from_bytes([1; 32]).unique(random);
        let view = self.view(id).await?;
        let class = bundled::NAME.parse()?;
        let identity = Arc::new(Identity { class, id, version: 1 });
        let state = State::new(identity, view, Arc::clone(&self.store), &self.limits);
        let limits = EventLimits::new(&self.limits);
        let started = Instance::start(&self.runtime, &self.program, state, limits).await;
        started.map_err(|failed| anyhow!("{}", failed.0))
    }

    async fn view(&self, id: ObjectId) -> Result<View> {
        let bounds = Bounds {
            value_bytes: self.limits.value_bytes,
            event_bytes: self.limits.event_write_bytes,
        };
        let new = ObjectRecord { class: 1, name: None, created: 0, version: 1, bytes: 0 };
        Ok(View::load(id, self.store.session()?, bounds, new).await?)
    }
}

async fn call(instance: &mut Instance, maker: &Maker) -> Result<()> {
    let request = Request {
        method: axum::http::Method::GET,
        uri: "/increment".to_owned(),
        headers: axum::http::HeaderMap::new(),
        body: axum::body::Bytes::new(),
    };
    instance.view().begin_event();
    instance.fetch(request, EventLimits::new(&maker.limits)).await?;
    instance.view().rollback();
    Ok(())
}

/// Median and 99th percentile, in microseconds.
fn quantiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    (at(50), at(99))
}

/// What the kernel says of this process.
struct Memory {
    private_kib: u64,
    resident_kib: u64,
    maps: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("reading the status")?;
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number.with_context(|| format!("no {name} in the status"))?.parse()?)
        };
        let maps = fs::read_to_string("/proc/self/maps").context("reading the maps")?;
        Ok(Self {
            private_kib: kib("RssAnon:")?,
            resident_kib: kib("VmRSS:")?,
            maps: maps.lines().count() as u64,
        })
    }
}
