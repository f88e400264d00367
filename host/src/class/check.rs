//! Is an upload something that can be a class? Cheap checks, before anything is compiled.
//!
//! Runs in the compiling process. First the counts: what the compiler would need hours for is
//! refused by its size alone. Then validation, and the exports.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload, Validator, WasmFeatures};

/// What the component must export.
pub const HANDLER: &str = "abide:object/handler@0.1.0";

/// Things in a component that cost compile time or memory, with how many there may be.
#[derive(Debug, Default)]
struct Counts {
    functions: u64,
    types: u64,
    tables: u64,
    memories: u64,
    globals: u64,
    modules: u64,
    components: u64,
    instances: u64,
    imports: u64,
    exports: u64,
}

const FUNCTIONS_MAX: u64 = 200_000;
const TYPES_MAX: u64 = 100_000;
const TABLES_MAX: u64 = 64;
const MEMORIES_MAX: u64 = 32;
const GLOBALS_MAX: u64 = 100_000;
const MODULES_MAX: u64 = 64;
const COMPONENTS_MAX: u64 = 64;
const INSTANCES_MAX: u64 = 1_000;
const IMPORTS_MAX: u64 = 20_000;
const EXPORTS_MAX: u64 = 50_000;
const NESTING_MAX: usize = 8;

/// Says why these bytes cannot be a class, if so.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    check_head(bytes)?;
    let exports = scan(bytes)?;
    Validator::new_with_features(WasmFeatures::default())
        .validate_all(bytes)
        .map_err(|error| invalid(&error))?;
    if exports.iter().any(|name| name == HANDLER) {
        return Ok(());
    }
    let other = exports.iter().find(|name| name.starts_with("abide:object/handler@"));
    Err(match (other, exports.is_empty()) {
        (Some(other), _) => format!(
            "the component exports {other}, this abide runs {HANDLER}; rebuild it with a matching SDK"
        ),
        (None, true) => format!("the component exports nothing; a class must export {HANDLER}"),
        (None, false) => format!(
            "the component does not export {HANDLER}, which a class must; it exports {}",
            listed(&exports)
        ),
    })
}

/// Tells a component from what people upload by mistake.
fn check_head(bytes: &[u8]) -> Result<(), String> {
    let head = &bytes[..bytes.len().min(8)];
    let said = match head {
        [] => "the upload is empty; send the bytes of a component",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0] => {
            "the upload is a core WebAssembly module, not a component; build it for the target \
             wasm32-wasip2, or wrap it with `wasm-tools component new`"
        }
        [0, b'a', b's', b'm', ..] if bytes.len() < 8 => {
            "the upload is truncated: it ends within the first 8 bytes of a WebAssembly file"
        }
        [0, b'a', b's', b'm', ..] => {
            "the upload is a WebAssembly file of an unknown version; build it for wasm32-wasip2"
        }
        [0x7f, b'E', b'L', b'F', ..] => {
            "the upload is native code (ELF), which is never run; send the component it was \
             compiled from"
        }
        _ if std::str::from_utf8(&bytes[..bytes.len().min(512)])
            .is_ok_and(|text| text.trim_start().starts_with('(')) =>
        {
            "the upload is WebAssembly text; send the binary form (`wasm-tools parse`)"
        }
        _ => "the upload is not WebAssembly: it does not begin with \\0asm",
    };
    Err(said.to_owned())
}

/// Counts what is in the component, and finds the names of its exports.
fn scan(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (mut counts, mut exports, mut nesting) = (Counts::default(), Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        match &payload {
            Payload::Version { encoding, .. } => {
                nesting += 1;
                match encoding {
                    Encoding::Module => counts.modules += 1,
                    Encoding::Component => counts.components += 1,
                }
            }
            Payload::End(_) => nesting = nesting.saturating_sub(1),
            Payload::ComponentExportSection(section) if nesting == 1 => {
                for export in section.clone() {
                    let export = export.map_err(|error| invalid(&error))?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => (),
        }
        counts.add(&payload);
        counts.check()?;
        if nesting > NESTING_MAX {
            return Err(format!("components are nested deeper than {NESTING_MAX} levels"));
        }
    }
    Ok(exports)
}

impl Counts {
    fn add(&mut self, payload: &Payload<'_>) {
        let (count, section) = match payload {
            Payload::TypeSection(s) => (&mut self.types, s.count()),
            Payload::ComponentTypeSection(s) => (&mut self.types, s.count()),
            Payload::CoreTypeSection(s) => (&mut self.types, s.count()),
            Payload::FunctionSection(s) => (&mut self.functions, s.count()),
            Payload::ComponentCanonicalSection(s) => (&mut self.functions, s.count()),
            Payload::TableSection(s) => (&mut self.tables, s.count()),
            Payload::MemorySection(s) => (&mut self.memories, s.count()),
            Payload::GlobalSection(s) => (&mut self.globals, s.count()),
            Payload::InstanceSection(s) => (&mut self.instances, s.count()),
            Payload::ComponentInstanceSection(s) => (&mut self.instances, s.count()),
            Payload::ImportSection(s) => (&mut self.imports, s.count()),
            Payload::ComponentImportSection(s) => (&mut self.imports, s.count()),
            Payload::ExportSection(s) => (&mut self.exports, s.count()),
            Payload::ComponentExportSection(s) => (&mut self.exports, s.count()),
            Payload::ComponentAliasSection(s) => (&mut self.exports, s.count()),
            _ => return,
        };
        *count += u64::from(section);
    }

    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("functions", self.functions, FUNCTIONS_MAX),
            ("types", self.types, TYPES_MAX),
            ("tables", self.tables, TABLES_MAX),
            ("memories", self.memories, MEMORIES_MAX),
            ("globals", self.globals, GLOBALS_MAX),
            ("core modules", self.modules, MODULES_MAX),
            ("nested components", self.components, COMPONENTS_MAX),
            ("instances", self.instances, INSTANCES_MAX),
            ("imports", self.imports, IMPORTS_MAX),
            ("exports and aliases", self.exports, EXPORTS_MAX),
        ];
        match bounds.iter().find(|(_, count, max)| count > max) {
            Some((what, count, max)) => {
                Err(format!("the component has {count} {what}, at most {max} are allowed"))
            }
            None => Ok(()),
        }
    }
}

fn invalid(error: &wasmparser::BinaryReaderError) -> String {
    let (at, message) = (error.offset(), error.message());
    if message.contains("unexpected end") {
        format!("the component is truncated or damaged: it ends unexpectedly at byte {at}")
    } else {
        format!("the component is invalid at byte {at}: {message}")
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let said = check(bytes).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn each_kind_of_wrong_file_gets_its_own_message() {
        refused(b"", "empty");
        refused(b"\0asm\x01\0\0\0", "core WebAssembly module");
        refused(b"\0as", "not WebAssembly");
        refused(b"\0asm\x0d\0", "truncated");
        refused(b"\x7fELF\x02\x01\x01\0", "native code");
        refused(b"  (component)", "WebAssembly text");
        refused(b"hello", "not WebAssembly");
        refused(b"\0asm\x0d\0\x01\0", "exports nothing");
        refused(b"\0asm\x0d\0\x01\0\x07\xff", "truncated or damaged");
    }
}
