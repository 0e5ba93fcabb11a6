//! A disk so small that a test can fill it: memory, mounted where only its own
//! processes see it, which on Linux takes no rights but one's own.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const MOUNT: &str = "mount -t tmpfs -o size=\"$1\" none \"$0\" && echo mounted && exec cat";
const PIECE_BYTES: usize = 16 << 10;

pub struct SmallDisk {
    /// Lives in the namespace of the mount and keeps it.
    keeper: Child,
    place: PathBuf,
}

impl SmallDisk {
    pub fn mount(place: &Path, mebibytes: u32) -> Option<SmallDisk> {
        let mut keeper = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", MOUNT])
            .arg(place)
            .arg(format!("{mebibytes}m"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut said).expect("readable");
        let disk = SmallDisk { keeper, place: place.to_owned() };
        if said.trim() != "mounted" {
            eprintln!("skipped: nobody may mount a file system here");
            return None;
        }
        Some(disk)
    }

    /// A command that sees the disk.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--mount", "--target"]);
        command.arg(self.keeper.id().to_string()).arg(program);
        command
    }

    /// Takes all space but so many bytes.
    pub fn fill_but(&self, left_bytes: u64) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast()).expect("opens");
        loop {
            match ballast.write_all(&[7; PIECE_BYTES]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        let taken = ballast.metadata().expect("known").len();
        ballast.set_len(taken.saturating_sub(left_bytes)).expect("shrinks");
    }

    /// Gives the space back.
    pub fn give_back(&self) {
        File::create(self.ballast()).expect("empties");
    }

    /// As seen from outside.
    fn ballast(&self) -> PathBuf {
        let inside = self.place.strip_prefix("/").expect("temp directories have whole paths");
        Path::new("/proc").join(self.keeper.id().to_string()).join("root").join(inside).join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
