//! A run is begun or gone on with, in a folder that is locked.

use std::fs::{DirEntry, File};
use std::io::ErrorKind;
use std::path::Path;

use taper_untrusted::checksums::SUMS;

use crate::error::RunFolderError;
use crate::folder::RunFolder;
use crate::lock::{FolderLock, LOCK};

impl FolderLock {
    /// The run that lies in the folder, if there is one. What a kill has left half written goes.
    ///
    /// # Errors
    /// [`RunFolderError::NotARun`] where other things lie there; nothing is touched then.
    pub fn run(&self) -> Result<Option<RunFolder>, RunFolderError> {
        let run = RunFolder::at(self.path());
        // A recipe alone may lie anywhere; a run has had its history before.
        let is_run = run.recipe().is_file() && run.history().is_file();
        let is_begun = |entry: &DirEntry| {
            entry.path() == run.history() && entry.metadata().is_ok_and(|file| file.len() == 0)
        };
        let of_a_kill = |entry: &DirEntry| entry.file_name() == LOCK || is_half_written(entry);
        let entries = entries(self.path())?;
        if !is_run && !entries.iter().all(|entry| of_a_kill(entry) || is_begun(entry)) {
            return Err(RunFolderError::NotARun(self.path().to_path_buf()));
        }
        for folder in [self.path(), &run.checkpoints(), &run.transformers(), &run.mistakes()] {
            for entry in self::entries(folder)?.iter().filter(|entry| is_half_written(entry)) {
                remove(&entry.path())?;
            }
        }
        Ok(is_run.then_some(run))
    }

    /// Begins a run by a recipe, as TOML; of one that is there nothing is left.
    ///
    /// # Errors
    /// As [`run`](Self::run), and whatever the file system says.
    pub fn begin(&self, recipe: &str) -> Result<RunFolder, RunFolderError> {
        self.run()?;
        let run = RunFolder::at(self.path());
        // In this order, so that the folder holds a run that is not finished, or none, whenever this ends.
        remove(&run.checksums())?;
        remove(&run.metrics())?;
        File::create(run.history()).map_err(RunFolderError::io(&run.history()))?;
        run.others()?.iter().try_for_each(|old| remove(old))?;
        run.write_recipe(recipe)?;
        Ok(run)
    }

    /// Goes on with the run by a recipe, as TOML. One that was finished is so no more: its page goes, and its
    /// card, which may have been written on, becomes `README.old.md`, or, where there is one, `README.old-2.md`
    /// and so on.
    ///
    /// # Errors
    /// The folder holds no run; whatever the file system says.
    pub fn go_on(&self, recipe: &str) -> Result<RunFolder, RunFolderError> {
        let run = RunFolder::begun(self.path())?;
        // What follows changes files that they list.
        for folder in [self.path(), &run.transformers(), &run.mistakes()] {
            remove(&folder.join(SUMS))?;
        }
        if run.is_finished() {
            remove(&run.metrics())?;
            remove(&run.report())?;
            let later = (2..).map(|n| format!("README.old-{n}.md"));
            let mut names = std::iter::once("README.old.md".to_string()).chain(later);
            let mut free = names.by_ref().map(|name| self.path().join(name));
            // The names have no end.
            let old = free.find(|old| old.symlink_metadata().is_err()).unwrap_or_default();
            gone(std::fs::rename(run.card(), old)).map_err(RunFolderError::io(&run.card()))?;
        }
        let before = std::fs::read(run.recipe()).map_err(RunFolderError::io(&run.recipe()))?;
        if before != recipe.as_bytes() {
            run.write_recipe(recipe)?;
        }
        Ok(run)
    }
}

/// Whether it is a plain file that is renamed once it is whole: one of this crate's, of weights, a checkpoint.
fn is_half_written(entry: &DirEntry) -> bool {
    if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
        return false;
    }
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let random = |rest: &str| rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    name.strip_prefix(".tmp").is_some_and(random)
        || [(".weights-", ".tmp"), ("step-", ".safetensors.tmp")]
            .iter()
            .any(|(prefix, suffix)| name.starts_with(prefix) && name.ends_with(suffix))
}

/// What lies in a folder; of one that is missing nothing.
fn entries(folder: &Path) -> Result<Vec<DirEntry>, RunFolderError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect),
    };
    entries.map_err(RunFolderError::io(folder))
}

/// Removes a file, or a folder with all that is in it.
fn remove(path: &Path) -> Result<(), RunFolderError> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    gone(removed).map_err(RunFolderError::io(path))
}

/// What is not there need not go.
fn gone(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = entries(folder).unwrap();
        let mut names: Vec<_> =
            names.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_that_is_overwritten_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(lock.run().unwrap(), None);
        let run = lock.begin("seed = 1\n").unwrap();
        assert_eq!(lock.run().unwrap(), Some(run.clone()));
        std::fs::create_dir(run.mistakes()).unwrap();
        for file in [run.metrics(), run.history(), run.model(), run.mistakes().join("01.png")] {
            std::fs::write(file, "old").unwrap();
        }
        let run = lock.begin("seed = 2\n").unwrap();
        assert_eq!(names(run.path()), ["history.jsonl", "recipe.toml"]);
        assert_eq!(std::fs::read_to_string(run.recipe()).unwrap(), "seed = 2\n");
        assert_eq!(std::fs::read_to_string(run.history()).unwrap(), "");
    }

    #[test]
    fn a_run_that_goes_on_has_no_list_of_files_that_it_will_change() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let run = lock.begin("").unwrap();
        let folders = [folder.path().to_path_buf(), run.transformers(), run.mistakes()];
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(SUMS), "").unwrap();
        }
        lock.go_on("").unwrap();
        for folder in folders {
            assert!(!folder.join(SUMS).exists(), "{}", folder.display());
        }
    }

    #[test]
    fn what_a_kill_leaves_half_written_goes_and_a_run_can_begin_there() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        for name in [".tmpAbC123", ".weights-x1Y2z3.tmp", "history.jsonl"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(lock.run().unwrap(), None);
        assert_eq!(names(folder.path()), ["history.jsonl"]);
        let run = lock.begin("").unwrap();
        for (folder, name) in
            [(run.checkpoints(), "step-1.safetensors"), (run.mistakes(), "01.png")]
        {
            std::fs::create_dir(&folder).unwrap();
            for name in [name, "step-2.safetensors.tmp", ".tmpAbC123"] {
                std::fs::write(folder.join(name), "").unwrap();
            }
        }
        assert!(lock.run().unwrap().is_some());
        assert_eq!(names(&run.checkpoints()), ["step-1.safetensors"]);
        assert_eq!(names(&run.mistakes()), ["01.png"]);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_left_as_it_is() {
        for files in [
            &["recipe.toml", "README.md"][..],
            &[".tmpAbC123", "notes.txt"],
            &[".tmp-of-mine"],
            &["metrics.json"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            files.iter().for_each(|name| std::fs::write(folder.path().join(name), "mine").unwrap());
            let lock = FolderLock::take(folder.path()).unwrap();
            for refused in [lock.run().map(|_| ()), lock.begin("").map(|_| ())] {
                assert!(matches!(refused, Err(RunFolderError::NotARun(_))), "{files:?}");
            }
            assert_eq!(names(folder.path()).len(), files.len());
        }
        // Lines that nobody here has written.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("history.jsonl"), "mine").unwrap();
        assert!(FolderLock::take(folder.path()).unwrap().run().is_err());
    }

    #[test]
    fn a_run_that_begins_anew_leaves_nothing_of_the_table_of_a_runs_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        lock.begin("seed = 1\n").unwrap();
        let docs = include_str!("folder.rs").lines().filter(|line| line.starts_with("/// | `"));
        let first = docs.filter_map(|line| line.strip_prefix("/// | ")?.split(" | ").next());
        // The rows of card and page name those of before in the second column.
        let old = ["README.old.md", "README.old-2.md", "report-before.html"];
        let named = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let named: Vec<&str> = named.chain(old).collect();
        assert!(named.len() > 12 && named.contains(&"README.old-2.md"), "{named:?}");
        for name in named {
            let path = folder.path().join(name);
            match name.ends_with('/') {
                true => std::fs::create_dir_all(path.join("more")).unwrap(),
                false => std::fs::write(path, "old").unwrap(),
            }
        }
        std::fs::write(folder.path().join("README.older.md"), "mine").unwrap();
        lock.begin("seed = 2\n").unwrap();
        assert_eq!(names(folder.path()), ["README.older.md", "history.jsonl", "recipe.toml"]);
    }

    #[test]
    fn folders_and_old_cards_of_somebody_stay() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let run = lock.begin("seed = 1\n").unwrap();
        let mine = folder.path().join(".tmpAbC123");
        std::fs::create_dir(&mine).unwrap();
        std::fs::write(mine.join("notes.txt"), "mine").unwrap();
        for card in ["first", "second", "third"] {
            std::fs::write(run.card(), card).unwrap();
            std::fs::write(run.metrics(), "{}").unwrap();
            lock.run().unwrap();
            lock.go_on("seed = 1\n").unwrap();
        }
        for (name, card) in [
            ("README.old.md", "first"),
            ("README.old-2.md", "second"),
            ("README.old-3.md", "third"),
        ] {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), card);
        }
        assert!(mine.join("notes.txt").exists());
        // Nor is it what a kill leaves.
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir(other.path().join(".tmpAbC123")).unwrap();
        assert!(FolderLock::take(other.path()).unwrap().run().is_err());
    }

    #[test]
    fn a_finished_run_that_goes_on_is_finished_no_more_and_keeps_its_card() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let run = lock.begin("seed = 1\n").unwrap();
        for file in [run.metrics(), run.report(), run.card(), run.model()] {
            std::fs::write(file, "old").unwrap();
        }
        assert!(!lock.go_on("seed = 2\n").unwrap().is_finished());
        assert_eq!(std::fs::read_to_string(run.recipe()).unwrap(), "seed = 2\n");
        let left = ["README.old.md", "history.jsonl", "model.safetensors", "recipe.toml"];
        assert_eq!(names(folder.path()), left);
    }
}
