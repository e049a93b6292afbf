//! Writes ONNX files, also ones that no exporter would write.

/// A protocol buffer under construction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
    }

    pub(crate) fn int(mut self, number: u64, value: i64) -> Self {
        self.varint(number << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub(crate) fn float(mut self, number: u64, value: f32) -> Self {
        self.varint(number << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        self.varint(number << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap());
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, number: u64, text: &str) -> Self {
        self.bytes(number, text.as_bytes())
    }

    pub(crate) fn message(self, number: u64, message: &Self) -> Self {
        self.bytes(number, &message.0)
    }
}

/// An attribute of a node.
#[derive(Debug, Clone)]
pub(crate) enum Attribute {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<&'static str>),
    Graph(Graph),
}

/// A graph under construction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph(Message);

impl Graph {
    pub(crate) fn numeric(self, columns: i64) -> Self {
        self.input("numeric", 1, columns)
    }

    pub(crate) fn categorical(self, columns: i64) -> Self {
        self.input("categorical", 8, columns)
    }

    pub(crate) fn input(self, name: &str, element: i64, columns: i64) -> Self {
        Self(self.0.message(11, &port(name, element, columns)))
    }

    pub(crate) fn output(self, name: &str) -> Self {
        Self(self.0.message(12, &port(name, 1, 1)))
    }

    pub(crate) fn node(self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) -> Self {
        let learned = ["Imputer", "Scaler", "OneHotEncoder", "Normalizer", "ArrayFeatureExtractor"];
        let domain = if learned.contains(&operator) || operator.starts_with("Tree") || operator.starts_with("Linear") {
            "ai.onnx.ml"
        } else {
            ""
        };
        let mut node = Message::default().text(4, operator).text(7, domain);
        for input in inputs {
            node = node.text(1, input);
        }
        for output in outputs {
            node = node.text(2, output);
        }
        for (name, value) in attributes {
            node = node.message(5, &attribute(name, value));
        }
        Self(self.0.message(1, &node))
    }

    pub(crate) fn floats(self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self(self.0.message(5, &tensor(name, shape, 1).bytes(9, &raw)))
    }

    pub(crate) fn ints(self, name: &str, shape: &[i64], values: &[i64]) -> Self {
        let mut constant = tensor(name, shape, 7);
        for value in values {
            constant = constant.int(7, *value);
        }
        Self(self.0.message(5, &constant))
    }

    pub(crate) fn constant(self, constant: &Message) -> Self {
        Self(self.0.message(5, constant))
    }

    /// The file.
    pub(crate) fn file(&self) -> Vec<u8> {
        Message::default().int(1, 8).message(7, &self.0).0
    }
}

pub(crate) fn tensor(name: &str, shape: &[i64], element: i64) -> Message {
    let mut constant = Message::default();
    for size in shape {
        constant = constant.int(1, *size);
    }
    constant.int(2, element).text(8, name)
}

fn port(name: &str, element: i64, columns: i64) -> Message {
    let shape = Message::default().message(1, &Message::default()).message(1, &Message::default().int(1, columns));
    let tensor = Message::default().int(1, element).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

fn attribute(name: &str, value: &Attribute) -> Message {
    let mut message = Message::default().text(1, name);
    match value {
        Attribute::Int(value) => message = message.int(3, *value),
        Attribute::Float(value) => message = message.float(2, *value),
        Attribute::Text(value) => message = message.text(4, value),
        Attribute::Ints(values) => {
            for value in values {
                message = message.int(8, *value);
            }
        }
        Attribute::Floats(values) => {
            for value in values {
                message = message.float(7, *value);
            }
        }
        Attribute::Texts(values) => {
            for value in values {
                message = message.text(9, value);
            }
        }
        Attribute::Graph(graph) => message = message.message(6, &graph.0),
    }
    message
}

/// A linear regression over numbers: `y = 1 + x + 2 x + ...`.
pub(crate) fn linear(columns: usize) -> Graph {
    let coefficients = (1_u8..).take(columns).map(f32::from).collect();
    Graph::default().numeric(i64::try_from(columns).unwrap()).output("variable").node(
        "LinearRegressor",
        &["numeric"],
        &["variable"],
        &[("coefficients", Attribute::Floats(coefficients)), ("intercepts", Attribute::Floats(vec![1.0]))],
    )
}

type TreeNode = (i64, i64, &'static str, i64, f32, i64, i64);

/// The nodes of trees, each `(tree, id, mode, feature, value, first, second)`, and weights `(tree, id, value)`.
#[derive(Debug, Clone)]
pub(crate) struct Trees {
    pub(crate) nodes: Vec<TreeNode>,
    pub(crate) weights: Vec<(i64, i64, f32)>,
}

impl Trees {
    /// One tree: 10 up to 0.5, else 20 up to 1.5, else 30.
    pub(crate) fn three_leaves() -> Self {
        Self {
            nodes: vec![
                (0, 0, "BRANCH_LEQ", 0, 0.5, 1, 2),
                (0, 1, "LEAF", 0, 0.0, 0, 0),
                (0, 2, "BRANCH_LEQ", 0, 1.5, 3, 4),
                (0, 3, "LEAF", 0, 0.0, 0, 0),
                (0, 4, "LEAF", 0, 0.0, 0, 0),
            ],
            weights: vec![(0, 1, 10.0), (0, 3, 20.0), (0, 4, 30.0)],
        }
    }

    /// A regression by these trees over one number.
    pub(crate) fn regression(&self) -> Graph {
        let ints = |of: fn(&TreeNode) -> i64| Attribute::Ints(self.nodes.iter().map(of).collect());
        let zeros = Attribute::Ints(vec![0; self.weights.len()]);
        Graph::default().numeric(1).output("variable").node(
            "TreeEnsembleRegressor",
            &["numeric"],
            &["variable"],
            &[
                ("nodes_treeids", ints(|node| node.0)),
                ("nodes_nodeids", ints(|node| node.1)),
                ("nodes_modes", Attribute::Texts(self.nodes.iter().map(|node| node.2).collect())),
                ("nodes_featureids", ints(|node| node.3)),
                ("nodes_values", Attribute::Floats(self.nodes.iter().map(|node| node.4).collect())),
                ("nodes_truenodeids", ints(|node| node.5)),
                ("nodes_falsenodeids", ints(|node| node.6)),
                ("target_treeids", Attribute::Ints(self.weights.iter().map(|weight| weight.0).collect())),
                ("target_nodeids", Attribute::Ints(self.weights.iter().map(|weight| weight.1).collect())),
                ("target_ids", zeros),
                ("target_weights", Attribute::Floats(self.weights.iter().map(|weight| weight.2).collect())),
            ],
        )
    }
}
