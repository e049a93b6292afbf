//! Four tables with everything that goes wrong: nulls, unicode, negative numbers, leap days, ends of years. The same
//! values on every run, for Parquet and for PostgreSQL.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties},
};

/// A column with its values.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
    /// Microseconds since 1970.
    Moment(Vec<Option<i64>>),
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<(&'static str, Values)>,
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Int(values) | Self::Moment(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    fn array(&self) -> ArrayRef {
        match self {
            Self::Int(values) => Arc::new(Int64Array::from(values.clone())),
            Self::Float(values) => Arc::new(Float64Array::from(values.clone())),
            Self::Bool(values) => Arc::new(BooleanArray::from(values.clone())),
            Self::Text(values) => Arc::new(StringArray::from(values.clone())),
            Self::Moment(values) => Arc::new(TimestampMicrosecondArray::from(values.clone())),
        }
    }

    /// PostgreSQL's type. Texts compare by code points, and fold case beyond ASCII.
    fn sql_type(&self) -> &'static str {
        match self {
            Self::Int(_) => "bigint",
            Self::Float(_) => "double precision",
            Self::Bool(_) => "boolean",
            Self::Text(_) => "text collate \"C.utf8\"",
            Self::Moment(_) => "timestamp",
        }
    }

    fn literal(&self, row: usize) -> String {
        let shown = match self {
            Self::Int(values) => values[row].map(|value| value.to_string()),
            Self::Float(values) => values[row].map(|value| format!("{value:?}::float8")),
            Self::Bool(values) => values[row].map(|value| value.to_string()),
            Self::Text(values) => values[row].as_ref().map(|value| format!("'{}'", value.replace('\'', "''"))),
            Self::Moment(values) => values[row].map(|value| format!("timestamp 'epoch' + {value} * interval '1 microsecond'")),
        };
        shown.unwrap_or_else(|| "null".to_owned())
    }
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.columns[0].1.len()
    }

    pub(crate) fn batch(&self) -> RecordBatch {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|(name, values)| {
                let data_type = match values {
                    Values::Int(_) => DataType::Int64,
                    Values::Float(_) => DataType::Float64,
                    Values::Bool(_) => DataType::Boolean,
                    Values::Text(_) => DataType::Utf8,
                    Values::Moment(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
                };
                Field::new(*name, data_type, true)
            })
            .collect();
        let arrays = self.columns.iter().map(|(_, values)| values.array()).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    pub(crate) fn write_parquet(&self, path: &Path) {
        write_parquet(path, &[self.batch()]);
    }

    /// The statements that make the table in PostgreSQL.
    pub(crate) fn postgres(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, values)| format!("\"{name}\" {}", values.sql_type())).collect();
        let rows: Vec<String> = (0..self.rows())
            .map(|row| {
                let values: Vec<String> = self.columns.iter().map(|(_, values)| values.literal(row)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        format!(
            "create table {} ({});\ninsert into {} values {};\nanalyze {};",
            self.name,
            columns.join(", "),
            self.name,
            rows.join(",\n"),
            self.name
        )
    }
}

/// Writes batches as ingest does: zstd, statistics, small row groups so that there are several.
pub(crate) fn write_parquet(path: &Path, batches: &[RecordBatch]) {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(65_536))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
}

/// A small generator of its own (splitmix64), so that the values never change with a crate.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.next() % bound).unwrap()
    }

    /// One in `n` is null.
    fn or_null<T>(&mut self, n: u64, value: T) -> Option<T> {
        if self.below(n) == 0 { None } else { Some(value) }
    }
}

const DAY_US: i64 = 86_400_000_000;

/// Midnights worth testing: leap days, ends and beginnings of years, before 1970.
const DAYS: [i64; 12] = [
    -1,     // 1969-12-31
    0,      // 1970-01-01
    11_016, // 2000-02-29
    18_261, // 2019-12-31
    18_321, // 2020-02-29
    18_322, // 2020-03-01
    18_627, // 2020-12-31
    18_628, // 2021-01-01
    19_723, // 2024-01-01
    19_782, // 2024-02-29
    20_088, // 2024-12-31
    20_089, // 2025-01-01
];

fn customers() -> Table {
    const NAMES: [&str; 16] = [
        "Ada",
        "Björn",
        "Chloé",
        "Dvořák",
        "Eve",
        "François",
        "Grüße",
        "Håkon",
        "İpek",
        "José",
        "Käthe",
        "Łukasz",
        "Mária",
        "Nuñez",
        "O'Brien",
        "Ωmega 日本",
    ];
    const CITIES: [&str; 6] = ["Praha", "Zürich", "new york", "São Paulo", "Oslo", ""];
    let mut random = Random::new(1);
    let rows = 60;
    let moments = (0..rows)
        .map(|row| {
            let day = if row < DAYS.len() { DAYS[row] } else { 17_000 + i64::try_from(random.below(3000)).unwrap() };
            let us = if row % 3 == 0 { 0 } else { i64::try_from(random.below(86_400_000_000)).unwrap() };
            random.or_null(15, day * DAY_US + us)
        })
        .collect();
    Table {
        name: "customers",
        columns: vec![
            ("id", Values::Int((1..=60).map(Some).collect())),
            (
                "name",
                Values::Text(
                    (0..rows)
                        .map(|row| {
                            let name = format!("{} {}", NAMES[row % NAMES.len()], row / NAMES.len());
                            random.or_null(20, name)
                        })
                        .collect(),
                ),
            ),
            (
                "city",
                Values::Text(
                    (0..rows)
                        .map(|_| {
                            let city = CITIES[random.below(6)].to_owned();
                            random.or_null(8, city)
                        })
                        .collect(),
                ),
            ),
            (
                "score",
                Values::Float(
                    (0..rows)
                        .map(|_| {
                            let score = (real(random.below(20_001)) - 10_000.0) / 64.0;
                            random.or_null(10, score)
                        })
                        .collect(),
                ),
            ),
            (
                "active",
                Values::Bool(
                    (0..rows)
                        .map(|_| {
                            let active = random.below(3) > 0;
                            random.or_null(9, active)
                        })
                        .collect(),
                ),
            ),
            ("joined", Values::Moment(moments)),
        ],
    }
}

fn orders() -> Table {
    const STATUS: [&str; 5] = ["new", "paid", "shipped", "returned", "Paid"];
    let mut random = Random::new(2);
    let rows = 400;
    let mut column = |make: &mut dyn FnMut(&mut Random) -> Option<i64>| (0..rows).map(|_| make(&mut random)).collect();
    let customer: Vec<Option<i64>> = column(&mut |random| {
        let id = i64::try_from(random.below(70)).unwrap() + 1;
        random.or_null(25, id)
    });
    let quantity: Vec<Option<i64>> = column(&mut |random| {
        let quantity = i64::try_from(random.below(41)).unwrap() - 5;
        random.or_null(20, quantity)
    });
    let ordered_at: Vec<Option<i64>> = column(&mut |random| {
        let special = DAYS[4 + random.below(8)];
        let day = if random.below(5) == 0 { special } else { 18_262 + i64::try_from(random.below(1827)).unwrap() };
        Some(day * DAY_US + i64::try_from(random.below(86_400)).unwrap() * 1_000_000)
    });
    let mut random = Random::new(3);
    Table {
        name: "orders",
        columns: vec![
            ("id", Values::Int((1..=400).map(Some).collect())),
            ("customer_id", Values::Int(customer)),
            (
                "amount",
                Values::Float(
                    (0..rows)
                        .map(|_| {
                            let amount = real(random.below(100_000)) / 100.0 - 50.0;
                            random.or_null(30, amount)
                        })
                        .collect(),
                ),
            ),
            ("quantity", Values::Int(quantity)),
            (
                "status",
                Values::Text(
                    (0..rows)
                        .map(|_| {
                            let status = STATUS[random.below(5)].to_owned();
                            random.or_null(40, status)
                        })
                        .collect(),
                ),
            ),
            ("ordered_at", Values::Moment(ordered_at)),
        ],
    }
}

fn events() -> Table {
    const KINDS: [&str; 4] = ["view", "click", "buy", "refund"];
    const PAYLOADS: [&str; 8] = [
        "user=42;ref=a1",
        "  padded\t",
        "Ünïcode ünd Ärger",
        "100% sure",
        "under_score",
        "a.b.c",
        "line\nbreak",
        "日本語テキスト",
    ];
    let mut random = Random::new(4);
    let rows = 300;
    Table {
        name: "events",
        columns: vec![
            ("id", Values::Int((1..=300).map(Some).collect())),
            ("kind", Values::Text((0..rows).map(|_| Some(KINDS[random.below(4)].to_owned())).collect())),
            (
                "at",
                Values::Moment(
                    (0..rows)
                        .map(|row| {
                            let minute = i64::try_from(row * 37 + random.below(30)).unwrap();
                            Some(19_779 * DAY_US + minute * 60_000_000 + i64::try_from(random.below(60_000_000)).unwrap())
                        })
                        .collect(),
                ),
            ),
            (
                "value",
                Values::Float(
                    (0..rows)
                        .map(|_| {
                            let value = real(random.below(1000)) / 8.0;
                            random.or_null(6, value)
                        })
                        .collect(),
                ),
            ),
            (
                "payload",
                Values::Text(
                    (0..rows)
                        .map(|_| {
                            let payload = PAYLOADS[random.below(8)].to_owned();
                            random.or_null(12, payload)
                        })
                        .collect(),
                ),
            ),
        ],
    }
}

fn measures() -> Table {
    let edges = [0, 1, -1, 7, -7, 10, 100, 9_007_199_254_740_993, -9_007_199_254_740_993, i64::MAX, i64::MIN + 1, 365];
    let mut random = Random::new(5);
    let rows = 100;
    let ints = (0..rows)
        .map(|row| {
            let value = if row < edges.len() { edges[row] } else { i64::try_from(random.below(2001)).unwrap() - 1000 };
            random.or_null(14, value)
        })
        .collect();
    let floats = (0..rows)
        .map(|row| {
            let value = match row {
                0 => 0.0,
                1 => 0.5,
                2 => 1.5,
                3 => 2.5,
                4 => -2.5,
                5 => 1e-9,
                6 => 123_456_789.123_456,
                _ => (real(random.below(40_001)) - 20_000.0) / 128.0,
            };
            random.or_null(11, value)
        })
        .collect();
    Table {
        name: "measures",
        columns: vec![
            ("k", Values::Int((0..100).map(|row| Some(row % 7)).collect())),
            ("x", Values::Int(ints)),
            ("y", Values::Float(floats)),
            ("Label", Values::Text((0..rows).map(|row| random.or_null(10, format!("L{}", row % 11))).collect())),
            ("First Name", Values::Text((0..rows).map(|row| Some(format!("n{}", row % 5))).collect())),
        ],
    }
}

/// The tables.
pub(crate) fn tables() -> Vec<Table> {
    vec![customers(), orders(), events(), measures()]
}

/// A small whole number as a float.
fn real(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
