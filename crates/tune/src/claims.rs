//! Who does which of several runs, where processes, also of several machines, share the folder of them all.
//!
//! A run is claimed by a file beside its folder that can be created once, which holds on every file system, NFS
//! too. Its owner changes it every few seconds; one that stays as it is for a minute, or whose owner was on this machine
//! and is gone, is void, and the next claim has the next number: so two can never take over one claim. No clock of one
//! machine is compared with that of another.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use taper_run_folder::RunFolderError;
use taper_runner::RunnerError;
use taper_runner::observe::{Event, Listener, Verdict};
use taper_untrusted::files::read_text;

use crate::error::TuneError;

/// How often an owner shows that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// How long a claim stays as it is before it is void.
const VOID: Duration = Duration::from_secs(60);
/// How long a process that has nothing to do waits before it looks again.
const LOOK: Duration = Duration::from_millis(500);
/// The most bytes of a claim.
const LIMIT: u64 = 1 << 10;

/// A run that this process alone does, until this is dropped.
pub(crate) struct Claim {
    /// The file, and those of owners that are gone.
    files: Vec<PathBuf>,
    lost: Arc<AtomicBool>,
    beats: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What is known of others' claims.
struct Claims {
    /// How long a claim stays as it is before it is void.
    void: Duration,
    /// What stood in each file, and since when.
    found: HashMap<PathBuf, (String, Instant)>,
}

impl Claims {
    fn new(void: Duration) -> Self {
        Self { void, found: HashMap::new() }
    }

    /// Claims a run; none where another process has it.
    ///
    /// # Errors
    /// A file beside the run's folder cannot be written or read.
    fn take(&mut self, run: &Path) -> Result<Option<Claim>, TuneError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for number in 1.. {
            let path = numbered(run, number);
            match create_new(&path) {
                Ok(file) => {
                    // The claim before may have been given up meanwhile, and be another's by now.
                    let before = files.last().map_or(Ok(true), |before| self.is_void(before))?;
                    files.retain(|_| before);
                    files.push(path);
                    let claim = Claim::hold(run, number, files, file)?;
                    return Ok(before.then_some(claim));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RunFolderError::io(&path)(error).into()),
            }
            if !numbered(run, number + 1).exists() && !self.is_void(&path)? {
                break;
            }
            files.push(path);
        }
        Ok(None)
    }

    /// Whether the owner of a claim is gone.
    fn is_void(&mut self, path: &Path) -> Result<bool, TuneError> {
        let text = match read_text(path, LIMIT) {
            // Its owner is done; what it was about can be claimed anew.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.found.remove(path);
                return Ok(false);
            }
            text => text.map_err(RunFolderError::io(path))?,
        };
        // On this machine the lock says it, however long an owner was held up.
        if text.lines().next().is_some_and(|line| line == machine())
            && let Some(free) = is_free(path)
        {
            return Ok(free);
        }
        let now = Instant::now();
        let (before, since) = self.found.entry(path.to_path_buf()).or_insert((text.clone(), now));
        if *before != text {
            (*before, *since) = (text, now);
        }
        Ok(since.elapsed() >= self.void)
    }
}

/// Carries out each of some runs once, whoever of those who share their folder does it, and gives what came of all, in
/// their order: a process that did not do a run reads what came of it by carrying it out again, finished as it is.
pub(crate) fn each<T>(
    runs: &[PathBuf],
    mut carry_out: impl FnMut(usize, &Claim) -> Result<T, TuneError>,
) -> Result<Vec<T>, TuneError> {
    let mut claims = Claims::new(VOID);
    let mut found: Vec<Option<T>> = runs.iter().map(|_| None).collect();
    loop {
        let mut did_some = false;
        for (i, run) in runs.iter().enumerate() {
            if found[i].is_some() {
                continue;
            }
            let Some(claim) = claims.take(run)? else { continue };
            let came = carry_out(i, &claim);
            // Another process has taken it over, or resumes this run by itself.
            if claim.is_lost() || came.as_ref().is_err_and(is_busy) {
                continue;
            }
            found[i] = Some(came?);
            did_some = true;
        }
        if found.iter().all(Option::is_some) {
            return Ok(found.into_iter().flatten().collect());
        }
        if !did_some {
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether another process has the run's folder.
fn is_busy(error: &TuneError) -> bool {
    use TuneError::{Folder, Run};
    matches!(
        error,
        Folder(RunFolderError::Busy(_)) | Run(RunnerError::Folder(RunFolderError::Busy(_)))
    )
}

impl Claim {
    /// Holds the last of the files, which was created just now.
    fn hold(
        run: &Path,
        number: usize,
        files: Vec<PathBuf>,
        mut file: File,
    ) -> Result<Self, TuneError> {
        let path = files.last().cloned().unwrap_or_default();
        // On a file system without locks the beats alone tell that the owner lives.
        let _ = file.try_lock();
        // The time tells processes of one number apart, as containers have them.
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut text = format!("{}\nprocess {}, {began}\n", machine(), std::process::id());
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(RunFolderError::io(&path))?;
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel::<()>();
        let (next, told) = (numbered(run, number + 1), lost.clone());
        let beat = move || {
            for beat in 1u64.. {
                if stopped.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                // Opened, since a file system over a network may remember that it was not there.
                if File::open(&next).is_ok() {
                    return told.store(true, Ordering::Relaxed);
                }
                text.truncate(text.rfind("beat").unwrap_or(text.len()));
                text += &format!("beat {beat}\n");
                // A disk that is full for a while does not end the run: others wait for a minute.
                let begin = file.seek(SeekFrom::Start(0));
                let written = begin.and_then(|_| file.write_all(text.as_bytes()));
                let _ = written.and_then(|()| file.sync_data());
            }
        };
        let thread = std::thread::Builder::new().name("claim".to_string()).spawn(beat);
        let thread = thread.map_err(RunFolderError::io(&path))?;
        Ok(Self { files, lost, beats: Some((stop, thread)) })
    }

    /// Whether another process has taken it over: this one did not show for a minute that it lives.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// A listener that leaves the run off where another process has taken it over.
    pub fn listener(&self) -> Box<dyn Listener> {
        Box::new(Held(self.lost.clone()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beats.take() {
            drop(stop);
            let _ = thread.join();
        }
        if !self.is_lost() {
            // The last first: one that is killed meanwhile leaves no gap below. One that stays is void: nobody holds it. A
            // folder that was made for nothing goes, too.
            self.files.iter().rev().for_each(|file| drop(std::fs::remove_file(file)));
            let folder = self.files.first().and_then(|file| file.parent());
            folder.map(std::fs::remove_dir);
        }
    }
}

struct Held(Arc<AtomicBool>);

impl Listener for Held {
    fn observe(&mut self, _: &Event) -> Result<Verdict, RunnerError> {
        Ok(match self.0.load(Ordering::Relaxed) {
            true => Verdict::Suspend("another process has taken this run over".to_string()),
            false => Verdict::Continue,
        })
    }
}

/// Creates a file that is not there, and its folder, which another may remove meanwhile because it is empty.
fn create_new(path: &Path) -> std::io::Result<File> {
    let mut tries = 0;
    loop {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        match File::create_new(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => tries += 1,
            created => return created,
        }
    }
}

/// The file of a run's claim by its number, from 1.
fn numbered(run: &Path, number: usize) -> PathBuf {
    let mut name = run.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".claim-{number}"));
    run.with_file_name(name)
}

/// What tells this machine, since it was started, from all others; where it has nothing of the kind, this process.
fn machine() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| format!("machine of {}", std::process::id()), |id| id.trim().to_string())
}

/// Whether nobody on this machine holds a file; nothing where files cannot be locked. Those who ask do not keep each other
/// from asking.
fn is_free(path: &Path) -> Option<bool> {
    match File::open(path).ok()?.try_lock_shared() {
        Ok(()) => Some(true),
        Err(TryLockError::WouldBlock) => Some(false),
        Err(TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn take(run: &Path) -> Option<Claim> {
        Claims::new(LONG).take(run).unwrap()
    }

    #[test]
    fn a_run_is_one_owners_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("trials/000");
        let claim = take(&run).unwrap();
        assert!(take(&run).is_none());
        assert!(take(&run.with_file_name("001")).is_some());
        drop(claim);
        assert!(take(&run).is_some());
        // Nothing is left, not even the folder that was made for it.
        assert!(!folder.path().join("trials").exists());
    }

    #[test]
    fn the_claim_of_an_owner_that_is_gone_from_this_machine_is_void_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("000");
        std::fs::write(numbered(&run, 1), format!("{}\nprocess 1\n", machine())).unwrap();
        let claim = take(&run).unwrap();
        assert_eq!(claim.files, [numbered(&run, 1), numbered(&run, 2)]);
        assert!(take(&run).is_none());
        drop(claim);
        assert!(!numbered(&run, 1).exists() && !numbered(&run, 2).exists());
    }

    #[test]
    fn a_claim_that_is_held_on_this_machine_stays_its_owners_however_long_it_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("000");
        let _held = take(&run).unwrap();
        let mut hasty = Claims::new(Duration::ZERO);
        assert!((0..3).all(|_| hasty.take(&run).unwrap().is_none()));
    }

    #[test]
    fn a_claim_from_another_machine_is_void_when_it_has_not_changed_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("000");
        let text = |beat: u64| format!("another machine\nprocess 1\nbeat {beat}\n");
        let write = |beat| std::fs::write(numbered(&run, 1), text(beat)).unwrap();
        write(0);
        let mut claims = Claims::new(Duration::from_millis(300));
        for beat in 1..6 {
            assert!(claims.take(&run).unwrap().is_none());
            std::thread::sleep(Duration::from_millis(100));
            write(beat);
        }
        assert!(claims.take(&run).unwrap().is_none());
        std::thread::sleep(Duration::from_millis(400));
        assert!(claims.take(&run).unwrap().is_some());
    }

    #[test]
    fn of_many_who_take_over_a_void_claim_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let run = folder.path().join(format!("{round}/run"));
            std::fs::create_dir(folder.path().join(round.to_string())).unwrap();
            std::fs::write(numbered(&run, 1), format!("{}\n", machine())).unwrap();
            let gate = std::sync::Barrier::new(8);
            let taken = std::thread::scope(|scope| {
                let one = || {
                    gate.wait();
                    take(&run)
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                let all = threads.into_iter().filter_map(|thread| thread.join().unwrap());
                all.collect::<Vec<_>>().len()
            });
            assert_eq!(taken, 1, "round {round}");
        }
    }

    #[test]
    fn a_run_that_somebody_resumes_by_itself_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let runs = [folder.path().join("000")];
        let mut tries = 0;
        let found = each(&runs, |_, _| {
            tries += 1;
            match tries {
                1 => Err(RunFolderError::Busy(runs[0].clone()).into()),
                2 => Err(RunnerError::from(RunFolderError::Busy(runs[0].clone())).into()),
                _ => Ok(tries),
            }
        });
        assert_eq!(found.unwrap(), [3]);
    }

    #[test]
    fn each_run_is_done_once_and_everybody_has_what_came_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let runs: Vec<PathBuf> = (0..9).map(|run| folder.path().join(run.to_string())).collect();
        let done = std::sync::Mutex::new(vec![0; runs.len()]);
        let one = || {
            each(&runs, |place, _| {
                // What is finished is only read.
                if !runs[place].exists() {
                    std::thread::sleep(Duration::from_millis(20));
                    done.lock().unwrap()[place] += 1;
                    std::fs::write(&runs[place], "").unwrap();
                }
                Ok(place)
            })
        };
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(found, vec![(0..9).collect::<Vec<_>>(); 3]);
        assert_eq!(*done.lock().unwrap(), [1; 9]);
    }
}
