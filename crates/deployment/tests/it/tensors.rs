//! Tensors of the Open Inference Protocol: what is sent is what is read, and anything else is refused.

use gristmill_deployment::tensors::{Datatype, InferRequest, ROWS_MAX, TensorError, VALUES_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A column with its binary form.
#[derive(Debug, Clone)]
struct Column {
    datatype: Datatype,
    values: Vec<Value>,
    bytes: Vec<u8>,
}

fn column(datatype: Datatype, bits: &[u64], texts: &[String]) -> Column {
    let mut bytes = Vec::new();
    let mut values = Vec::new();
    for (bits, text) in bits.iter().zip(texts) {
        let all = bits.to_le_bytes();
        let value = match datatype {
            Datatype::Bool => json!(bits % 2 == 1),
            Datatype::Int8 => json!(i8::from_le_bytes([all[0]])),
            Datatype::Int16 => json!(i16::from_le_bytes([all[0], all[1]])),
            Datatype::Int32 => json!(i32::from_le_bytes([all[0], all[1], all[2], all[3]])),
            Datatype::Int64 => json!(i64::from_le_bytes(all)),
            Datatype::Uint8 => json!(all[0]),
            Datatype::Uint16 => json!(u16::from_le_bytes([all[0], all[1]])),
            Datatype::Uint32 => json!(u32::from_le_bytes([all[0], all[1], all[2], all[3]])),
            Datatype::Uint64 => json!(bits),
            // Whole numbers of few bits, which half precision has too.
            Datatype::Fp16 => json!(1.0 + f64::from(all[0]) / 1024.0),
            Datatype::Fp32 => json!(f64::from(all[0]) / 4.0),
            Datatype::Fp64 => json!(f64::from(u32::from_le_bytes([all[0], all[1], all[2], all[3]])) / 8.0),
            Datatype::Bytes => json!(text),
        };
        match datatype {
            Datatype::Bool => bytes.push(u8::from(bits % 2 == 1)),
            Datatype::Fp16 => bytes.extend((0x3c00_u16 + u16::from(all[0])).to_le_bytes()),
            Datatype::Fp32 => bytes.extend((f32::from(all[0]) / 4.0).to_le_bytes()),
            Datatype::Fp64 => bytes.extend(value.as_f64().unwrap().to_le_bytes()),
            Datatype::Bytes => {
                bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            whole => bytes.extend(&all[..whole.width().unwrap()]),
        }
        values.push(value);
    }
    Column { datatype, values, bytes }
}

fn columns() -> impl Strategy<Value = Vec<Column>> {
    (1_usize..6, 1_usize..6).prop_flat_map(|(rows, width)| {
        let one = (
            proptest::sample::select(Datatype::ALL.to_vec()),
            proptest::collection::vec(any::<u64>(), rows),
            proptest::collection::vec(".{0,8}", rows),
        );
        proptest::collection::vec(one.prop_map(|(datatype, bits, texts)| column(datatype, &bits, &texts)), width)
    })
}

/// A request of columns; those at places of the mask are binary, the others JSON, nested where they are odd.
fn request(columns: &[Column], mask: u8) -> (Vec<u8>, Option<String>) {
    let mut binary: Vec<u8> = Vec::new();
    let mut inputs = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        let count = column.values.len();
        let shape = if place % 2 == 1 { json!([count, 1]) } else { json!([count]) };
        let mut input = json!({ "name": format!("c{place}"), "shape": shape, "datatype": column.datatype.as_str() });
        if mask & (1 << place) != 0 {
            input["parameters"] = json!({ "binary_data_size": column.bytes.len() });
            binary.extend(&column.bytes);
        } else if place % 2 == 1 {
            input["data"] = column.values.iter().map(|value| json!([value])).collect();
        } else {
            input["data"] = json!(column.values);
        }
        inputs.push(input);
    }
    let mut body = json!({ "id": "7", "inputs": inputs, "parameters": { "binary_data_output": true } }).to_string().into_bytes();
    let header = (!binary.is_empty()).then(|| body.len().to_string());
    body.extend(binary);
    (body, header)
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(columns in columns(), mask: u8) {
        let (body, header) = request(&columns, mask);
        let read = InferRequest::parse(&body, header.as_deref()).unwrap();
        prop_assert_eq!(read.id.as_deref(), Some("7"));
        prop_assert!(read.binary_output && read.outputs.is_none());
        for (place, (input, column)) in read.inputs.iter().zip(&columns).enumerate() {
            prop_assert_eq!(&input.name, &format!("c{place}"));
            prop_assert_eq!(input.datatype, column.datatype);
            prop_assert_eq!(&input.values, &column.values);
        }
        let rows = read.rows();
        prop_assert_eq!(rows.len(), columns[0].values.len());
        for (number, row) in rows.iter().enumerate() {
            for (place, column) in columns.iter().enumerate() {
                prop_assert_eq!(&row[&format!("c{place}")], &column.values[number]);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300), header in "[-0-9a-z]{0,4}") {
        drop(InferRequest::parse(&body, Some(&header)));
        drop(InferRequest::parse(&body, None));
    }

    #[test]
    fn a_request_that_was_tampered_with_is_read_or_refused(
        columns in columns(), mask: u8, cut: prop::sample::Index, place: prop::sample::Index, byte: u8, header in 0_usize..400,
    ) {
        let (mut body, sent) = request(&columns, mask);
        let short = &body[..cut.index(body.len())];
        // What is cut off is always missed: the JSON is at the front, and its lengths name all that is behind it.
        prop_assert!(InferRequest::parse(short, sent.as_deref()).is_err());
        drop(InferRequest::parse(&body, Some(&header.to_string())));
        let place = place.index(body.len());
        body[place] = byte;
        drop(InferRequest::parse(&body, sent.as_deref()));
    }
}

fn refused(inputs: &Value, binary: &[u8], header: Option<&str>) -> TensorError {
    let mut body = json!({ "inputs": inputs }).to_string().into_bytes();
    let length = body.len().to_string();
    body.extend(binary);
    InferRequest::parse(&body, header.map(|header| if header == "right" { length.as_str() } else { header })).unwrap_err()
}

#[test]
fn what_does_not_fit_is_refused_by_its_name() {
    let input = |shape: Value, datatype: &str, data: Value| json!([{ "name": "a b", "shape": shape, "datatype": datatype, "data": data }]);
    for (inputs, part) in [
        (json!([]), "no inputs"),
        (json!([1]), "inputs[0]"),
        (json!([{ "name": "a b", "datatype": "FP64", "data": [1] }]), "missing field `shape`"),
        (json!([{ "name": "a b", "shape": [1], "datatype": "FP64" }]), "neither data"),
        (json!([{ "name": "a b", "shape": [1], "datatype": "FP64", "parameters": { "binary_data_size": 8 } }]), "was not sent"),
        (
            json!([{ "name": "a b", "shape": [1], "datatype": "FP64", "data": [1], "parameters": { "binary_data_size": 8 } }]),
            "both",
        ),
        (
            json!([{ "name": "a b", "shape": [1], "datatype": "FP64", "parameters": { "shared_memory_region": "r" } }]),
            "shared memory",
        ),
        (input(json!([]), "FP64", json!([])), "[n] or [n, 1]"),
        (input(json!([0]), "FP64", json!([])), "[n] or [n, 1]"),
        (input(json!([-1]), "FP64", json!([1])), "[n] or [n, 1]"),
        (input(json!([1, 2]), "FP64", json!([1, 2])), "[n] or [n, 1]"),
        (input(json!([1, 1, 1]), "FP64", json!([1])), "[n] or [n, 1]"),
        (input(json!([2]), "FP64", json!([1])), "its data 1"),
        (input(json!([1]), "FP64", json!([1, 2])), "its data more"),
        (input(json!([1]), "FP8", json!([1])), "not known"),
        (input(json!([1]), "FP64", json!(["1"])), "value 0 should be a number"),
        (input(json!([2]), "FP64", json!([1, true])), "value 1 should be a number"),
        (input(json!([1]), "INT8", json!([128])), "-128 to 127"),
        (input(json!([1]), "INT8", json!([-129])), "-128 to 127"),
        (input(json!([1]), "INT64", json!([1.5])), "whole number"),
        (input(json!([1]), "UINT64", json!([-1])), "not negative"),
        (input(json!([1]), "BOOL", json!([1])), "true or false"),
        (input(json!([1]), "BYTES", json!([1])), "a text"),
        (
            json!([
                { "name": "x", "shape": [1], "datatype": "FP64", "data": [1] },
                { "name": "a b", "shape": [2], "datatype": "FP64", "data": [1, 2] },
            ]),
            "the first input has 1",
        ),
        (
            json!([
                { "name": "a b", "shape": [1], "datatype": "FP64", "data": [1] },
                { "name": "a b", "shape": [1], "datatype": "FP64", "data": [1] },
            ]),
            "twice",
        ),
    ] {
        let error = refused(&inputs, &[], None);
        assert!(error.to_string().contains(part), "{inputs}: {error}");
        if matches!(error, TensorError::Input { .. }) {
            assert!(error.to_string().contains("a b"), "{error}");
        }
    }
}

#[test]
fn binary_data_that_does_not_fit_is_refused() {
    let input = |datatype: &str, size: Value| json!([{ "name": "t", "shape": [2], "datatype": datatype, "parameters": { "binary_data_size": size } }]);
    for (inputs, binary, header, part) in [
        (input("FP32", json!(8)), &[0_u8; 4][..], "right", "the body only 4 more"),
        (input("FP32", json!(4)), &[0; 4][..], "right", "4 bytes each"),
        (input("FP32", json!(8)), &[0; 9][..], "right", "1 bytes of binary data"),
        (input("FP32", json!(-1)), &[0; 8][..], "right", "whole number of bytes"),
        (input("FP32", json!(8)), &[0; 8][..], "9999", "has only"),
        (input("FP32", json!(8)), &[0; 8][..], "ten", "whole number of bytes"),
        (input("FP32", json!(8)), &[0; 8][..], "-1", "whole number of bytes"),
        (input("FP32", json!(8)), &[0; 8][..], "3", "Open Inference Protocol"),
        (input("BOOL", json!(2)), &[1, 2][..], "right", "0 or 1"),
        (input("BYTES", json!(5)), &[1, 0, 0, 0, b'a'][..], "right", "ends within value 1"),
        (input("BYTES", json!(8)), &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], "right", "ends within value 1"),
        (input("BYTES", json!(9)), &[1, 0, 0, 0, 0xff, 0, 0, 0, 0][..], "right", "UTF-8"),
        (input("BYTES", json!(9)), &[0, 0, 0, 0, 0, 0, 0, 0, 0][..], "right", "behind its last value"),
    ] {
        let error = refused(&inputs, binary, Some(header)).to_string();
        assert!(error.contains(part), "{inputs} {header}: {error}");
    }
}

#[test]
fn missing_values_are_nan_or_null() {
    let body = br#"{"inputs": [{"name": "a", "shape": [3], "datatype": "FP64", "data": [NaN, null, 1]},
        {"name": "b", "shape": [3], "datatype": "BYTES", "data": ["", null, "NaN"]}]}"#;
    let read = InferRequest::parse(body, None).unwrap();
    assert_eq!(read.inputs[0].values, [Value::Null, Value::Null, json!(1)]);
    assert_eq!(read.inputs[1].values, [json!(""), Value::Null, json!("NaN")]);
}

#[test]
fn a_request_is_bounded_before_it_is_read() {
    let input = |name: String, rows: usize| json!({ "name": name, "shape": [rows], "datatype": "BOOL", "data": [] });
    assert_eq!(refused(&json!([input("a".into(), ROWS_MAX + 1)]), &[], None), TensorError::TooLarge);
    let width = VALUES_MAX / ROWS_MAX + 1;
    let mut inputs = Vec::new();
    let mut binary = Vec::new();
    for place in 0..width {
        inputs.push(json!({
            "name": place.to_string(), "shape": [ROWS_MAX], "datatype": "BOOL", "parameters": { "binary_data_size": ROWS_MAX },
        }));
        binary.extend(vec![1; ROWS_MAX]);
    }
    assert_eq!(refused(&json!(inputs), &binary, Some("right")), TensorError::TooLarge);
}

#[test]
fn outputs_are_asked_for_by_name() {
    let parse = |outputs: Value| {
        let inputs = json!([{ "name": "a", "shape": [1], "datatype": "INT8", "data": [1] }]);
        InferRequest::parse(json!({ "inputs": inputs, "outputs": outputs }).to_string().as_bytes(), None)
    };
    let read = parse(json!([{ "name": "p", "parameters": { "binary_data": false } }, { "name": "q" }])).unwrap();
    let outputs: Vec<_> = read.outputs.unwrap().into_iter().map(|output| (output.name, output.binary)).collect();
    assert_eq!(outputs, [("p".to_owned(), Some(false)), ("q".to_owned(), None)]);
    for (outputs, part) in [
        (json!([1]), "outputs[0]"),
        (json!([{ "name": "p" }, { "name": "p" }]), "twice"),
        (json!([{ "name": "p", "parameters": { "classification": 3 } }]), "classification"),
    ] {
        let error = parse(outputs).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
