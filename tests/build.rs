//! Builds the object classes that the tests upload.

/// Packages in `objects/` and `tests/guests/`.
const CLASSES: [&str; 8] = [
    "counter",
    "counter-twice",
    "loop-start",
    "no-handler",
    "probe",
    "trap-start",
    "wants-http",
    "wants-unknown",
];

fn main() -> Result<(), guest_build::Error> {
    guest_build::build(&CLASSES)?;
    Ok(())
}
