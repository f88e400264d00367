//! The bundled counter, as the README shows it.

use tests::host::Host;

#[test]
fn the_bundled_counter_counts_without_any_upload() {
    let host = Host::start(&[]);
    let client = host.client();
    assert_eq!(client.count("/counter/my-counter/increment"), 1);
    assert_eq!(client.count("/counter/my-counter/increment"), 2);
    assert_eq!(client.count("/counter/my-counter/"), 2);
    assert_eq!(client.count("/counter/my-counter"), 2);
    let other = client.get("/counter/my-counter/other");
    assert_eq!((other.status, other.text().as_str()), (404, "Not found"));
}
