//! Models that need packages which only their project has: they stay with the model.

use gristmill_api::agent::ServerTools;
use gristmill_runtime::packages::Layer;
use gristmill_workflow::tools::ToolHost;

use super::*;
use crate::{
    deployments::{path_of, row},
    models::lab,
    support::{eventually, files_below},
};

/// An estimator that comes with nothing.
const TINYEST: &str = include_str!("../../../../modeling/python/gristmill_ml/tests/nearest.py");
const DATA_BYTES: usize = 300_000;

/// Needs the package.
const NEAREST: &str = "
from sklearn.preprocessing import StandardScaler
from tinyest import Nearest
numbers = ['bill_length_mm', 'bill_depth_mm', 'flipper_length_mm', 'body_mass_g']
model = make_pipeline(SimpleImputer(), StandardScaler(), Nearest())
model.fit(df[numbers], df['species'])
";

/// Needs none.
const FOREST: &str = "
numbers = ['bill_length_mm', 'flipper_length_mm']
model = make_pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=5, random_state=0))
model.fit(df[numbers], df['species'])
";

impl Agent {
    fn layer(&self) -> Layer {
        let projects = self.lab.app.data_dir.path().join("runtime/projects");
        Layer::open(projects.join(&self.lab.project).join("packages")).unwrap()
    }

    /// Puts into the project what the installer unpacks of a wheel: there is no index to install it from.
    fn install_tinyest(&self) {
        let current = self.layer().version().unwrap();
        let metadata = "Metadata-Version: 2.1\nName: tinyest\nVersion: 1.0\n";
        let record = "tinyest/__init__.py,,\ntinyest/data.bin,,\ntinyest-1.0.dist-info/METADATA,,\n";
        let data = "x".repeat(DATA_BYTES);
        for (name, text) in [
            ("tinyest/__init__.py", TINYEST),
            ("tinyest/data.bin", data.as_str()),
            ("tinyest-1.0.dist-info/METADATA", metadata),
            ("tinyest-1.0.dist-info/RECORD", record),
        ] {
            let path = current.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    async fn uninstall_tinyest(&self) {
        let tools = ServerTools::new(self.lab.app.server.state().clone());
        let context = ToolContext { phase: None, ..self.context("uninstall") };
        let args = json!({ "packageName": "tinyest" });
        let output = tools.run(&context, ToolName::UninstallPackage, args.as_object().unwrap()).await;
        assert_eq!(output.error, None, "{:?}", output.output);
        let again = tools.run(&context, ToolName::UninstallPackage, args.as_object().unwrap()).await;
        assert_eq!(again, output, "what a call did is found by the call that is made again");
        assert!(!self.layer().version().unwrap().join("tinyest").exists());
    }

    async fn stored_bytes(&self, model: &str) -> usize {
        let sql = format!("select stored_bytes from models where model_id = '{model}'");
        let row = self.lab.app.database.client().await.unwrap().query_one(&sql, &[]).await.unwrap();
        usize::try_from(row.get::<_, i64>(0)).unwrap()
    }

    fn has_tinyest_stored(&self) -> bool {
        let files = files_below(self.lab.app.data_dir.path());
        files.iter().any(|file| file.ends_with("tinyest/data.bin"))
    }
}

#[actix_web::test]
async fn a_model_outlives_the_packages_of_its_project() {
    let agent = Agent::over(lab(&[]).await).await;
    agent.install_tinyest();
    let experiment = agent.trained("Nearest", NEAREST).await;
    let made = agent.give(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await;
    assert_eq!(made["unscored"], false, "{made}");
    let accuracy = made["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.8, "{made}");
    let model = made["modelId"].as_str().unwrap();
    let found = agent.judged(model).await;
    assert_eq!((&found["evaluationStatus"], found["metrics"]["accuracy"].as_f64()), (&json!("ready"), Some(accuracy)), "{found}");
    let packages = found["metadata"]["packages"].as_array().unwrap();
    assert_eq!((packages.len(), &packages[0]["name"], &packages[0]["version"]), (1, &json!("tinyest"), &json!("1.0")));
    assert_eq!(packages[0]["sha256"].as_str().unwrap().len(), 64, "{packages:?}");
    assert!(agent.stored_bytes(model).await > DATA_BYTES, "they count in the quota");

    let deployment = agent.lab.deploy(model, &json!({})).await;
    assert_eq!((deployment["runtime"].as_str(), deployment["status"].as_str()), (Some("container"), Some("healthy")));
    let path = path_of(&deployment);
    let predict = format!("{path}/predict");
    let before = agent.lab.ada.post(&predict, &row()).await.expect(200);
    assert!(before["prediction"].is_string(), "{before}");

    agent.uninstall_tinyest().await;
    agent.lab.ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    let started = agent.lab.ada.patch(&path, &json!({ "action": "start" })).await.expect(200);
    assert_eq!(started["deployment"]["status"], "healthy", "{started}");
    let after = agent.lab.ada.post(&predict, &row()).await.expect(200);
    assert_eq!(after["prediction"], before["prediction"], "{after}");
    let retry = format!("/api/experiments/{model}/evaluation/retry");
    let again = agent.lab.ada.post(&retry, &json!({})).await.expect(200);
    assert_eq!(again["evaluationStatus"], "ready");
    assert_eq!(agent.lab.find(model).await["metrics"]["accuracy"].as_f64(), Some(accuracy));
    assert!(agent.stored_bytes(model).await > DATA_BYTES);

    assert!(agent.has_tinyest_stored());
    assert_eq!(agent.lab.ada.delete(&format!("/api/models/{model}")).await.status, 204);
    eventually("the packages to go with the model", async || (!agent.has_tinyest_stored()).then_some(())).await;
}

#[actix_web::test]
async fn packages_that_a_model_does_not_use_are_not_kept_and_those_that_it_lacks_are_named() {
    let agent = Agent::over(lab(&[]).await).await;
    agent.install_tinyest();
    let forest = agent.trained("Forest", FOREST).await;
    let made = agent.give(ToolName::RegisterModel, &registration(&forest, "model.joblib")).await;
    let found = agent.lab.find(made["modelId"].as_str().unwrap()).await;
    assert_eq!((&made["unscored"], found["metadata"].get("packages")), (&json!(false), None), "{found}");
    assert!(!agent.has_tinyest_stored());

    let nearest = agent.trained("Nearest", NEAREST).await;
    agent.uninstall_tinyest().await;
    let made = agent.give(ToolName::RegisterModel, &registration(&nearest, "model.joblib")).await;
    let message = made["message"].as_str().unwrap();
    assert!(made["unscored"] == true && message.contains("the library tinyest") && message.contains("install it"), "{made}");
}
