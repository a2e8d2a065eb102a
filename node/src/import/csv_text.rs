//! Records that come one by one, as the text of a CSV file: what every format becomes.

use std::io::{self, Read};

/// CSV of a header and records, made as it is read: a line a record, whatever is in it.
pub(super) struct CsvText<I> {
    records: I,
    made: Vec<u8>,
    read: usize,
}

impl<I: Iterator<Item = Result<Vec<String>, String>>> CsvText<I> {
    pub(super) fn new(header: Vec<String>, records: I) -> io::Result<Self> {
        let mut text = Self { records, made: vec![], read: 0 };
        text.make(&header)?;
        Ok(text)
    }

    fn make(&mut self, record: &[String]) -> io::Result<()> {
        self.made.clear();
        self.read = 0;
        let line = |field: &String| field.replace(['\n', '\r'], " ");
        let mut writer = csv::Writer::from_writer(&mut self.made);
        writer.write_record(record.iter().map(line)).map_err(io::Error::other)?;
        writer.flush()
    }
}

impl<I: Iterator<Item = Result<Vec<String>, String>>> Read for CsvText<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.made.len() {
            match self.records.next() {
                None => return Ok(0),
                Some(record) => self.make(&record.map_err(io::Error::other)?)?,
            }
        }
        let count = buffer.len().min(self.made.len() - self.read);
        buffer[..count].copy_from_slice(&self.made[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}
