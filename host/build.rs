//! Builds the bundled class.

fn main() -> Result<(), guest_build::Error> {
    guest_build::build(&["counter"])?;
    Ok(())
}
