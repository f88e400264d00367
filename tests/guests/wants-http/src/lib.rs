//! A proper object but for an import of `wasi:http/outgoing-handler`, cut down to what names it.

use abide_sdk::{Object, Request, Response, Result, export, respond};

#[expect(clippy::same_length_and_capacity, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wasi:http@0.2.0;

            interface types {
                resource fields {
                    constructor();
                }
                resource outgoing-request {
                    constructor(headers: fields);
                }
                resource request-options;
                resource future-incoming-response;
                variant error-code {
                    internal-error(option<string>),
                }
            }

            interface outgoing-handler {
                use types.{outgoing-request, request-options, future-incoming-response, error-code};
                handle: func(
                    request: outgoing-request,
                    options: option<request-options>,
                ) -> result<future-incoming-response, error-code>;
            }

            world wants-http {
                import outgoing-handler;
            }
        ",
    });
}

struct WantsHttp;

impl Object for WantsHttp {
    fn new() -> Result<Self> {
        Ok(WantsHttp)
    }

    fn fetch(&mut self, _: Request) -> Result<Response> {
        use bindings::wasi::http::{outgoing_handler, types};

        let call = types::OutgoingRequest::new(types::Fields::new());
        let sent = outgoing_handler::handle(call, None).is_ok();
        Ok(respond::text(sent))
    }
}

export!(WantsHttp);
