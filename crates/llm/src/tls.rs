//! TLS, by rustls with ring (ADR 0016).

/// Makes ring the provider of cryptography of this process, unless there is one. HTTP clients cannot be built before: call
/// it first wherever one is.
pub fn install_provider() {
    // An error says that one is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}
