//! Running other people's Python: sandboxes, Jupyter kernels in them, packages, and help with writing code.
//!
//! `sandbox` starts and ends isolated processes and knows nothing of Python. `environment` provides the locked Python
//! that they run. `kernel` speaks the Jupyter protocol with one kernel. [`Runtime`] keeps kernels for projects.
//! [`resident`] keeps workers that answer questions. No HTTP and no database here: what the server knows about datasets
//! comes through the port [`ProjectData`].

pub mod confined;
pub mod environment;
mod error;
pub mod intelligence;
mod kernel;
pub mod nbformat;
mod output;
pub mod packages;
mod places;
mod project_data;
mod python_package;
pub mod resident;
mod runtime;
pub mod sandbox;
mod workspace;

pub use error::RuntimeError;
pub use places::{ExecuteRequest, KernelPlace, PlaceKind};
pub use project_data::{DatasetFile, ProjectData, ProjectFiles};
pub use python_package::PythonPackage;
pub use runtime::{
    Export, InstallEvent, InstallOutcome, PlaceState, Runtime, RuntimeEvent, RuntimeEventKind, RuntimeOptions, RuntimeStatus,
    Survey, TakenFile, WorkspaceFile,
};
