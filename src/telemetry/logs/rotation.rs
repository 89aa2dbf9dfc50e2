//! The file of `LOG_FILE_PATH`: when it is full it becomes `PATH.1`, what was that becomes `PATH.2`, and so on.
//!
//! The path is always the newest lines, and no file but these is touched, so an agent or `tail -F` may follow it. What is no regular
//! file (`/dev/stdout`, any symbolic link) is only written to.

use std::fs::{File, OpenOptions, rename};
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

/// A file is full with so many bytes.
const BYTES_MAX: u64 = 20 << 20;

/// So many full files are kept, beside the one that is written.
const KEPT: u32 = 5;

/// A file that is rotated. One process writes it.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl RotatedFile {
    /// Opens the file, or makes it; new lines go behind what is there.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn open(path: &Path) -> Result<RotatedFile> {
        Self::open_with(path, BYTES_MAX)
    }

    fn open_with(path: &Path, bytes_max: u64) -> Result<RotatedFile> {
        let file = append(path)?;
        // A link would be renamed, and `/dev/stdout` is one, perhaps to a regular file.
        let is_rotated = path.symlink_metadata()?.is_file();
        let bytes_max = if is_rotated { bytes_max } else { u64::MAX };
        Ok(RotatedFile { path: path.to_owned(), bytes: file.metadata()?.len(), file, bytes_max })
    }

    /// Where this fails the lines go on into the file that there is: a log that is too long is better than none.
    fn rotate(&mut self) -> Result<()> {
        for number in (1..KEPT).rev() {
            // There need not be one yet.
            rename(self.numbered(number), self.numbered(number + 1)).ok();
        }
        rename(&self.path, self.numbered(1))?;
        self.file = append(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Write for RotatedFile {
    /// Takes whole lines: each call is one.
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        if self.bytes > 0 && self.bytes.saturating_add(line.len() as u64) > self.bytes_max {
            // Whether it worked or not: the next try comes when as much was written again.
            self.rotate().ok();
            self.bytes = 0;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_dir, read_to_string};

    #[test]
    fn a_full_file_is_kept_under_a_number_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(folder.path().join("log.old"), "somebody else's").unwrap();
        let mut log = RotatedFile::open_with(&path, 10).unwrap();
        for line in 0..20 {
            log.write_all(format!("line{line:03}\n").as_bytes()).unwrap();
        }
        assert_eq!(read_to_string(&path).unwrap(), "line019\n");
        for number in 1..=KEPT {
            assert_eq!(read_to_string(log.numbered(number)).unwrap(), format!("line{:03}\n", 19 - number));
        }
        assert_eq!(read_dir(folder.path()).unwrap().count(), KEPT as usize + 2, "and somebody else's");
    }

    #[test]
    fn what_is_there_counts_and_a_line_that_is_longer_than_a_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "12345678\n").unwrap();
        let mut log = RotatedFile::open_with(&path, 10).unwrap();
        log.write_all(b"a\n").unwrap();
        assert_eq!(read_to_string(log.numbered(1)).unwrap(), "12345678\n");
        log.write_all(b"longer than ten bytes\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "longer than ten bytes\n");
    }

    #[test]
    fn where_rotation_fails_the_lines_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = RotatedFile::open_with(&path, 10).unwrap();
        for number in 1..=KEPT {
            // Nothing can be renamed to a folder that is not empty.
            std::fs::create_dir_all(log.numbered(number).join("inside")).unwrap();
        }
        for line in 0..3 {
            log.write_all(format!("line{line:03}\n").as_bytes()).unwrap();
        }
        assert_eq!(read_to_string(&path).unwrap(), "line000\nline001\nline002\n");
    }

    #[test]
    fn what_is_no_regular_file_is_not_renamed() {
        let mut log = RotatedFile::open_with(Path::new("/dev/null"), 10).unwrap();
        for _ in 0..10 {
            log.write_all(b"line\n").unwrap();
        }
        assert!(Path::new("/dev/null").exists() && !Path::new("/dev/null.1").exists());
    }

    #[test]
    fn a_link_is_followed_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut log = RotatedFile::open_with(&link, 10).unwrap();
        for _ in 0..3 {
            log.write_all(b"a line\n").unwrap();
        }
        assert!(link.is_symlink());
        assert_eq!(read_to_string(&file).unwrap(), "a line\na line\na line\n");
        assert_eq!(read_dir(folder.path()).unwrap().count(), 2);
    }
}
