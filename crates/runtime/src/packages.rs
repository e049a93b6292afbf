//! Packages that projects install: into a layer of the project's own, by an installer in a sandbox without network.
//!
//! A [`Layer`] is a directory that kernels see beside the locked environment and before it. [`Packages`] fills it: pip
//! runs in a sandbox of its own, which sees neither datasets nor a workspace, and reaches only the hosts of the index,
//! through a proxy on a Unix socket. A layer changes in one step, and only when the installation succeeded.

mod frozen;
mod install;
mod layer;
mod lookups;
mod messages;
mod names;
mod popular;
mod progress;
mod proxy;
mod settings;
mod suggest;
mod teller;
mod uninstall;

pub use frozen::FrozenLayer;
pub use install::{Packages, PackagesOptions};
pub use layer::Layer;
pub(crate) use lookups::{LookUps, Next};
pub use names::{PackageNames, PackageNamesError};
pub use settings::IndexSettings;
pub use suggest::{PackageIndex, suggest};
pub(crate) use uninstall::uninstall;

/// Where a sandbox sees a project's layer: the directory of [`Layer::directory`] belongs here.
pub const GUEST_LAYER: &str = "/opt/gristmill/packages";
/// The entry for `sys.path` and `PYTHONPATH`: a link that follows each installation.
pub const GUEST_LAYER_PATH: &str = "/opt/gristmill/packages/current";
/// Where a sandbox sees the package `gristmill_kernel`.
pub const GUEST_KERNEL: &str = "/opt/gristmill/kernel";
