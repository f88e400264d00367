//! From a type that implements `Object` to the component's exports.

use std::cell::RefCell;
use std::fmt;

use crate::bindings::abide::object::types;
use crate::message::{request_from_raw, response_to_raw};
use crate::{Request, Response, Result};

/// An object class.
///
/// A value of it stands for one object while that is in memory.
pub trait Object: Sized + 'static {
    /// Makes the value, inside the first event that it handles, so the storage can be used.
    ///
    /// An error fails that event; the next one tries again.
    fn new() -> Result<Self>;

    /// Answers one request.
    ///
    /// An error undoes what was written, drops `self` and is answered as a fault.
    fn fetch(&mut self, request: Request) -> Result<Response>;
}

/// The place for an object in an instance: empty at first and after a failed event.
///
/// [`export!`](crate::export) makes one. It is here for components that implement
/// [`bindings`](crate::bindings) by hand and use an [`Object`] for a part of the requests.
pub struct Instance<T>(RefCell<Option<T>>);

impl<T: Object> Instance<T> {
    /// Without an object as yet.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Hands one request to the object, which is made first where there is none.
    pub fn fetch(&self, request: types::Request) -> Result<types::Response, types::Fault> {
        let request = request_from_raw(request)?;
        let mut place = self.0.borrow_mut();
        let mut object = match place.take() {
            Some(object) => object,
            None => T::new()?,
        };
        let response = object.fetch(request)?;
        // Only after a success: what a failed event left in memory does not match the storage,
        // which has undone its writes.
        *place = Some(object);
        Ok(response_to_raw(response))
    }
}

impl<T: Object> Default for Instance<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").finish_non_exhaustive()
    }
}

/// Makes a type that implements [`Object`] the class of the component.
///
/// Once per crate. Natively it only checks the type, so that tests of the crate compile and link.
#[macro_export]
macro_rules! export {
    ($object:ty) => {
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::Instance<$object> = const { $crate::Instance::new() };
            }

            struct Component;

            impl $crate::bindings::exports::abide::object::handler::Guest for Component {
                fn fetch(
                    request: $crate::bindings::abide::object::types::Request,
                ) -> ::core::result::Result<
                    $crate::bindings::abide::object::types::Response,
                    $crate::bindings::abide::object::types::Fault,
                > {
                    INSTANCE.with(|instance| instance.fetch(request))
                }
            }

            $crate::export_raw!(Component);
        };
    };
}

/// The same as [`export!`](crate::export) for a type that implements the handler of
/// [`bindings`](crate::bindings) by hand.
#[macro_export]
macro_rules! export_raw {
    ($component:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export_handler!($component with_types_in $crate::bindings);

        // A native linker does not take the names of the exports. Naming the function keeps the
        // compiler from calling the component unused.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(
            $crate::bindings::abide::object::types::Request,
        ) -> ::core::result::Result<
            $crate::bindings::abide::object::types::Response,
            $crate::bindings::abide::object::types::Fault,
        > = <$component as $crate::bindings::exports::abide::object::handler::Guest>::fetch;
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, respond};

    /// Counts its events in memory; `/fail` fails after counting.
    struct Memory(u32);

    impl Object for Memory {
        fn new() -> Result<Self> {
            Ok(Self(0))
        }

        fn fetch(&mut self, request: Request) -> Result<Response> {
            self.0 += 1;
            if request.uri().path() == "/fail" {
                return Err(Error::new("on purpose"));
            }
            Ok(respond::text(self.0))
        }
    }

    fn fetch(instance: &Instance<Memory>, uri: &str) -> Result<Vec<u8>, String> {
        let (method, headers, body) = ("GET".into(), Vec::new(), Vec::new());
        let response = instance.fetch(types::Request { method, uri: uri.into(), headers, body });
        response.map(|response| response.body).map_err(|fault| fault.message)
    }

    #[test]
    fn memory_lasts_until_an_event_fails() {
        let instance = Instance::new();
        assert_eq!(fetch(&instance, "/"), Ok(b"1".to_vec()));
        assert_eq!(fetch(&instance, "/"), Ok(b"2".to_vec()));
        assert_eq!(fetch(&instance, "/fail"), Err("on purpose".into()));
        assert_eq!(fetch(&instance, "/"), Ok(b"1".to_vec()));
    }

    #[test]
    fn failed_constructor_runs_again() {
        thread_local!(static LEFT: std::cell::Cell<u32> = const { std::cell::Cell::new(1) });
        struct Late;
        impl Object for Late {
            fn new() -> Result<Self> {
                match LEFT.replace(0) {
                    0 => Ok(Self),
                    _ => Err(Error::new("too early")),
                }
            }

            fn fetch(&mut self, _: Request) -> Result<Response> {
                Ok(respond::no_content())
            }
        }
        let get = || types::Request {
            method: "GET".into(),
            uri: "/".into(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let instance = Instance::<Late>::new();
        assert_eq!(instance.fetch(get()).unwrap_err().message, "too early");
        assert_eq!(instance.fetch(get()).unwrap().status, 204);
    }
}
