//! Random numbers from a seed that the test prints, so that its run can be had again.

use std::hash::{BuildHasher, RandomState};

/// The generator `SplitMix64`.
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Prints its seed; `ABIDE_TEST_SEED` sets it.
    #[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "this is a test")]
    pub fn new() -> Self {
        let given = std::env::var("ABIDE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let state = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("ABIDE_TEST_SEED={state}");
        Self { state }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
