//! Leaving a function with an error in one line.

/// Returns an [`Error`](crate::Error) from the function, its message formatted as by `format!`.
///
/// A [`StatusCode`](crate::StatusCode) in front sets the status of the answer.
///
/// ```
/// use abide_sdk::{Result, StatusCode, bail};
///
/// fn share(total: u32, heads: u32) -> Result<u32> {
///     if heads == 0 {
///         bail!(StatusCode::BAD_REQUEST, "cannot share {total} among nobody");
///     }
///     Ok(total / heads)
/// }
///
/// assert_eq!(share(7, 0).unwrap_err().status(), Some(StatusCode::BAD_REQUEST));
/// ```
#[macro_export]
macro_rules! bail {
    ($message:literal $($arguments:tt)*) => {
        return ::core::result::Result::Err($crate::Error::new(
            ::std::format!($message $($arguments)*)
        ))
    };
    ($status:expr, $message:literal $($arguments:tt)*) => {
        return ::core::result::Result::Err($crate::Error::with_status(
            $status,
            ::std::format!($message $($arguments)*),
        ))
    };
}
