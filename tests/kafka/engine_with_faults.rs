//! The engine with its faults: built once, into the directory of the tests. Only the engine itself is compiled again.

use crate::scene::GRISTMILL;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds it at the first call.
pub(crate) fn engine_with_faults() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(GRISTMILL).ancestors().nth(2).unwrap();
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--locked", "--features", "faults", "--example", "gristmill-faults"])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "the engine with faults cannot be built");
        target.join("debug/examples/gristmill-faults")
    })
}
