"""POST a series to a running service: make serve, then python examples/call_the_service.py."""

import csv
import json
import sys
import urllib.request
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
base_url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"

with (DATA / "air_passengers.csv").open(newline="") as file:
    values = [float(row["y"]) for row in csv.DictReader(file)]
body = {
    "series": [{"id": "passengers", "start": "1949-01-01", "freq": "MS", "y": values}],
    "horizon": 6,
    "quantile_levels": [0.1, 0.5, 0.9],
}
request = urllib.request.Request(
    f"{base_url}/v1/forecast",
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=30) as response:
    answer = json.load(response)

(forecast,) = answer["forecasts"]
for stamp, mean in zip(forecast["ds"], forecast["mean"], strict=True):
    print(f"{stamp}  {mean:.1f}")
