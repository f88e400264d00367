//! Which idle objects leave memory: those unused for long, and under pressure the least recently
//! used.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use super::registry::{Live, Shared};

/// Between two looks at the idle objects; never longer than the idle time itself.
const SWEEP: Duration = Duration::from_secs(1);
/// Between two looks while somebody waits for a slot: objects become idle without saying so.
const PRESSED_SWEEP: Duration = Duration::from_millis(2);
/// Under pressure this part of the idle objects leaves at once, so that the search for them is
/// paid rarely.
const PRESSED_PART: usize = 16;

/// Evicts until the registry is gone.
pub(super) async fn run(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let pause = if strong.waiting.load(Ordering::Relaxed) > 0 {
            PRESSED_SWEEP
        } else {
            SWEEP.min(strong.idle()).max(Duration::from_millis(10))
        };
        // Pressed or not is looked up below.
        _ = tokio::time::timeout(pause, strong.pressure.notified()).await;
        let waiting = strong.waiting.load(Ordering::Relaxed);
        let leaving =
            if waiting > 0 { least_recently_used(&strong, waiting) } else { unused(&strong) };
        for live in leaving {
            live.mailbox.ask_to_leave();
        }
    }
}

/// Idle objects whose time is over.
fn unused(shared: &Shared) -> Vec<Arc<Live>> {
    let idle = u64::try_from(shared.idle().as_millis()).unwrap_or(u64::MAX);
    let now = shared.now();
    shared.select(|live| now.saturating_sub(live.last_used()) >= idle && live.mailbox.is_idle())
}

/// A part of the idle objects, and no fewer than there are waiting.
fn least_recently_used(shared: &Shared, waiting: usize) -> Vec<Arc<Live>> {
    let mut idle = shared.select(|live| live.mailbox.is_idle());
    let count = idle.len().div_ceil(PRESSED_PART).max(waiting);
    if count < idle.len() {
        idle.select_nth_unstable_by_key(count, |live| live.last_used());
        idle.truncate(count);
    }
    idle
}
