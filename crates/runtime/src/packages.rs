//! Packages that projects install: into a layer of the project's own, by an installer in a sandbox without network.

mod settings;

pub use settings::IndexSettings;
