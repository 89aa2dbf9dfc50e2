//! A folder of results: every single run in `raw.json`, what it ran on in `machine.json`, and what follows from both in
//! `summary.md`.

mod machine;
mod summary;
mod table;

pub use machine::Machine;
pub use summary::summary;

use crate::error::{Error, Result};
use crate::noise::Heard;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All parts that were measured, in the order in which they are told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Raw {
    /// By their names, each once.
    pub parts: Vec<PartResults>,
}

/// One part: what one call of `measure` found out about one question.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PartResults {
    /// Its name, as `--only` takes it.
    pub part: String,
    /// The day it was measured, UTC.
    pub date: String,
    /// The command that was typed.
    pub command: String,
    /// The engine's version and revision.
    pub gristmill: String,
    /// Sizes, rates and the like, as they were.
    pub settings: BTreeMap<String, String>,
    /// What a reader of the tables has to know.
    pub notes: Vec<String>,
    /// Every run.
    pub runs: Vec<Sample>,
    /// Whether it came to its end.
    pub complete: bool,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// What is compared with each other; empty where it is everything.
    pub group: String,
    /// Who ran.
    pub who: String,
    /// Its round; 0 is the warm-up.
    pub round: u32,
    /// The command, with its variables.
    pub command: String,
    /// Figures by name, in the units that the names say.
    pub figures: BTreeMap<String, f64>,
    /// What the ledger found; `None` where there is nothing to account for.
    pub ledger: Option<String>,
    /// Why the figures do not count; `None` when they do.
    pub void: Option<String>,
    /// What else went on.
    pub noise: Heard,
    /// Files beside `raw.json` that belong to it.
    pub files: Vec<String>,
}

impl Sample {
    /// Whether its figures go into tables.
    pub fn counts(&self) -> bool {
        self.round > 0 && self.void.is_none()
    }
}

impl Raw {
    /// What is there already; nothing where there is no such folder.
    pub fn read(folder: &Path) -> Result<Raw> {
        let path = folder.join("raw.json");
        if !path.exists() {
            return Ok(Raw::default());
        }
        let what = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(Error::while_doing(&what))?;
        serde_json::from_str(&text).map_err(Error::while_doing(&what))
    }

    /// The files that its runs wrote into the folder.
    pub fn files(&self) -> BTreeSet<String> {
        self.parts.iter().flat_map(|part| &part.runs).flat_map(|run| &run.files).cloned().collect()
    }

    /// Puts a part in the place of an older one of its name; the others stay. `order`: all names, in the order to be told.
    pub fn replace(&mut self, part: PartResults, order: &[&str]) {
        self.parts.retain(|old| old.part != part.part);
        self.parts.push(part);
        let place =
            |part: &PartResults| order.iter().position(|name| *name == part.part).unwrap_or(order.len());
        self.parts.sort_by_key(place);
    }

    /// Writes `raw.json` and the summary.
    pub fn write(&self, folder: &Path, machine: &Machine) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(self).map_err(Error::while_doing("raw.json"))?;
        std::fs::write(folder.join("raw.json"), text + "\n")?;
        let text = serde_json::to_string_pretty(machine).map_err(Error::while_doing("machine.json"))?;
        std::fs::write(folder.join("machine.json"), text + "\n")?;
        std::fs::write(folder.join("summary.md"), summary(self, machine))?;
        Ok(())
    }
}
