//! Pages, and the column chunk they make.

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding};
use parquet::column::page::{CompressedPage, Page as PageOfParquet, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// The least and the greatest of some integers.
pub(crate) type Bounds = Option<(i64, i64)>;

pub(crate) struct Page {
    pub rows: usize,
    pub encoding: Encoding,
    /// Compressed, once the chunk is known to be.
    pub payload: Vec<u8>,
    /// Before compression.
    pub plain_bytes: usize,
    pub bounds: Bounds,
}

/// Distinct values as they are written before the pages that number them.
pub(crate) struct DictionaryPage {
    pub values: usize,
    pub payload: Vec<u8>,
    pub plain_bytes: usize,
}

impl Page {
    fn compressed(self) -> CompressedPage {
        let page = PageOfParquet::DataPage {
            buf: self.payload.into(),
            num_values: self.rows as u32,
            encoding: self.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        CompressedPage::new(page, self.plain_bytes)
    }
}

impl DictionaryPage {
    fn compressed(self) -> CompressedPage {
        let page = PageOfParquet::DictionaryPage {
            buf: self.payload.into(),
            num_values: self.values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        CompressedPage::new(page, self.plain_bytes)
    }
}

/// A whole column of a row group, but for its place in the file.
pub(crate) struct Chunk {
    pub descr: ColumnDescPtr,
    pub compression: Compression,
    pub dictionary: Option<DictionaryPage>,
    pub pages: Vec<Page>,
    pub statistics: Option<Statistics>,
    /// Whether pages tell their bounds.
    pub keyed: bool,
}

impl Chunk {
    /// Its bytes, and what the footer says about them.
    pub(crate) fn close(self) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let mut encodings = vec![Encoding::RLE];
        let mut plain_bytes = 0;
        let mut data_at = 0;
        let dictionary_at = self.dictionary.is_some().then_some(0);
        if let Some(dictionary) = self.dictionary {
            let spec = writer.write_page(dictionary.compressed())?;
            encodings.push(Encoding::PLAIN);
            plain_bytes += spec.uncompressed_size;
            data_at = spec.bytes_written;
        }
        let column_index = if self.keyed { Some(column_index(&self.descr, &self.pages)?) } else { None };
        let mut offset_index = OffsetIndexBuilder::new();
        let mut rows = 0;
        for page in self.pages {
            rows += page.rows;
            offset_index.append_row_count(page.rows as i64);
            if !encodings.contains(&page.encoding) {
                encodings.push(page.encoding);
            }
            let spec = writer.write_page(page.compressed())?;
            plain_bytes += spec.uncompressed_size;
            let size = i32::try_from(spec.bytes_written).expect("write_page refuses larger ones");
            offset_index.append_offset_and_size(spec.offset as i64, size);
        }
        let bytes = Bytes::from(sink.into_inner()?);
        let mut metadata = ColumnChunkMetaData::builder(self.descr)
            .set_compression(self.compression)
            .set_encodings(encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(plain_bytes as i64)
            .set_num_values(rows as i64)
            .set_data_page_offset(data_at as i64)
            .set_dictionary_page_offset(dictionary_at);
        if let Some(statistics) = self.statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index,
            offset_index: Some(offset_index.build()),
        };
        Ok((bytes, close))
    }
}

fn column_index(descr: &ColumnDescPtr, pages: &[Page]) -> Result<ColumnIndexMetaData> {
    let mut index = ColumnIndexBuilder::new(descr.physical_type());
    let width_bytes = super::column::width_bytes(descr.physical_type());
    let bounds = || pages.iter().map(|page| page.bounds.expect("a page of a key holds a value"));
    for (least, greatest) in bounds() {
        let bytes = |value: i64| value.to_le_bytes()[..width_bytes].to_vec();
        index.append(false, bytes(least), bytes(greatest), 0);
    }
    if bounds().is_sorted_by(|before, after| before.0 <= after.0 && before.1 <= after.1) {
        index.set_boundary_order(BoundaryOrder::ASCENDING);
    }
    index.build()
}
