//! Why a component cannot be linked, in words for its author: which import is missing or has
//! another type, and what that type is.

use wasmtime::{
    Engine, Error,
    component::{
        Component,
        types::{ComponentFunc, ComponentItem, Type},
    },
};

use super::import::OFFERED;

/// A type deeper than this is shortened.
const DEPTH_MAX: usize = 4;
/// More imports, or functions of one, than this are counted only.
const SHOWN_MAX: usize = 6;

/// Explains `error`, which linking `component` gave.
pub(super) fn link_error(engine: &Engine, component: &Component, error: &Error) -> String {
    let imports = component.component_type();
    let missing: Vec<String> = imports
        .imports(engine)
        .filter(|(name, _)| !OFFERED.contains(&interface(name)))
        .map(|(name, found)| format!("{name} ({})", item(engine, &found.ty)))
        .collect();
    if missing.is_empty() {
        return mismatch(engine, component, error);
    }
    format!("the component imports what abide does not offer: {}", listed(&missing))
}

/// What does not fit is named by wasmtime: instance and function stand in its text.
fn mismatch(engine: &Engine, component: &Component, error: &Error) -> String {
    let text = format!("{error:#}");
    let function = quoted_behind(&text, "instance export `");
    let instance = quoted_behind(&text, "component imports instance `");
    let found = instance.zip(function).and_then(|(instance, function)| {
        let imported = component.component_type().get_import(engine, instance)?.ty;
        let ComponentItem::ComponentInstance(imported) = imported else { return None };
        let found = item(engine, &imported.get_export(engine, function)?.ty);
        Some(format!("{instance} with {function}: {found}"))
    });
    match found {
        Some(found) => format!(
            "the component imports {found}, which is not its type in abide; rebuild it with a \
             matching SDK ({text})"
        ),
        None => text,
    }
}

fn quoted_behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let rest = &text[text.find(mark)? + mark.len()..];
    rest.split('`').next()
}

/// An interface's name without its version.
fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn item(engine: &Engine, item: &ComponentItem) -> String {
    match item {
        ComponentItem::ComponentFunc(found) => function(found),
        ComponentItem::ComponentInstance(instance) => {
            let functions: Vec<String> = instance
                .exports(engine)
                .filter_map(|(name, found)| match &found.ty {
                    ComponentItem::ComponentFunc(found) => {
                        Some(format!("{name}: {}", function(found)))
                    }
                    _ => None,
                })
                .collect();
            if functions.is_empty() { "types".to_owned() } else { listed(&functions) }
        }
        ComponentItem::Type(_) => "a type".to_owned(),
        ComponentItem::Resource(_) => "a resource".to_owned(),
        ComponentItem::CoreFunc(_) => "a core function".to_owned(),
        ComponentItem::Module(_) => "a core module".to_owned(),
        ComponentItem::Component(_) => "a component".to_owned(),
    }
}

fn function(function: &ComponentFunc) -> String {
    let params: Vec<String> =
        function.params().map(|(name, param)| format!("{name}: {}", wit(&param, 0))).collect();
    let results: Vec<String> = function.results().map(|result| wit(&result, 0)).collect();
    let arrow = if results.is_empty() { "" } else { " -> " };
    format!("func({}){arrow}{}", params.join(", "), results.join(", "))
}

/// A type in the words of WIT. Named types have lost their names by now, so records and variants
/// are written out.
fn wit(found: &Type, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return "...".to_owned();
    }
    let inner = |found: &Type| wit(found, depth + 1);
    match found {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(list) => format!("list<{}>", inner(&list.ty())),
        Type::FixedLengthList(list) => format!("list<{}, {}>", inner(&list.ty()), list.len()),
        Type::Map(map) => format!("map<{}, {}>", inner(&map.key()), inner(&map.value())),
        Type::Record(record) => {
            let fields = record.fields().map(|f| format!("{}: {}", f.name, inner(&f.ty)));
            format!("record {{{}}}", listed(&fields.collect::<Vec<_>>()))
        }
        Type::Tuple(tuple) => {
            format!("tuple<{}>", listed(&tuple.types().map(|t| inner(&t)).collect::<Vec<_>>()))
        }
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| match case.ty {
                Some(payload) => format!("{}({})", case.name, inner(&payload)),
                None => case.name.to_owned(),
            });
            format!("variant {{{}}}", listed(&cases.collect::<Vec<_>>()))
        }
        Type::Enum(names) => format!("enum {{{}}}", owned(names.names())),
        Type::Flags(names) => format!("flags {{{}}}", owned(names.names())),
        Type::Option(option) => format!("option<{}>", inner(&option.ty())),
        Type::Result(result) => {
            let side = |side: Option<Type>| side.map_or("_".to_owned(), |found| inner(&found));
            format!("result<{}, {}>", side(result.ok()), side(result.err()))
        }
        Type::Own(_) => "a resource".to_owned(),
        Type::Borrow(_) => "borrow of a resource".to_owned(),
        Type::Future(_) => "future".to_owned(),
        Type::Stream(_) => "stream".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
    }
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> String {
    listed(&names.map(str::to_owned).collect::<Vec<_>>())
}

fn listed(parts: &[String]) -> String {
    let shown = parts.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match parts.len().checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}
