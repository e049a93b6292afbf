"""MLflow's scoring client as people use it, and plain requests.

The client knows no credentials: `requests` takes them from ~/.netrc or a session; here every request gets the header.
"""

import json
import os

import pandas as pd
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

BASE, HEADERS = os.environ["BASE"], {"x-api-key": os.environ["KEY"]}
ROW = json.loads(os.environ["ROW"])

send = requests.Session.request
requests.Session.request = lambda self, *arguments, **options: send(
    self, *arguments, **{**options, "headers": {**(options.get("headers") or {}), **HEADERS}}
)

client = ScoringServerClient("127.0.0.1", 0)
client.url_prefix = BASE
client.ping()
frame = pd.DataFrame([ROW, {**ROW, "bill_length_mm": float("nan")}])
predictions = client.invoke(frame).get_predictions()
assert predictions.iloc[0, 0] == "Chinstrap" and len(predictions) == 2, predictions

answer = requests.post(f"{BASE}/invocations", json={"dataframe_split": frame.head(1).to_dict(orient="split")})
assert answer.json() == {"predictions": ["Chinstrap"]}, answer.text
csv = requests.post(f"{BASE}/invocations", data=frame.to_csv(index=False), headers={"Content-Type": "text/csv"})
assert csv.json()["predictions"] == predictions.iloc[:, 0].tolist(), csv.text
refused = requests.post(f"{BASE}/invocations", json={"rows": []})
assert refused.status_code == 400 and {"error_code", "message"} <= set(refused.json()), refused.text
print("done")
