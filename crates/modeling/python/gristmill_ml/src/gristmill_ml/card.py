"""The model card: what a person should know before using the model, as JSON and as Markdown."""

from __future__ import annotations

from typing import Any


def make_card(report: dict[str, Any], signature: dict[str, Any], parity: dict[str, Any]) -> dict[str, Any]:
    """Returns card.json from what training recorded."""
    dropped = [entry for entry in report["columns"] if entry["decision"] == "dropped"]
    validation = report.get("cross_validation") or {}
    limits = [f"column {entry['name']!r} is not used: {entry['reason']}" for entry in dropped[:50]]
    limits += report["warnings"]
    if not parity.get("converted"):
        limits.append(f"no ONNX form: {parity.get('reason', 'not asked for')}")
    return {
        "version": 1,
        "name": report["name"],
        "task": report["taskType"],
        "template": report["templateId"],
        "algorithm": report["algorithm"],
        "parameters": report["parameters"],
        "target": signature["target"],
        "classes": [label["text"] for label in signature["labels"]] if signature["labels"] else None,
        "inputs": [
            {"name": entry["name"], "type": entry["type"], "use": entry["kind"], "missing": entry["missing"]}
            for entry in signature["columns"]
            if entry["required"]
        ],
        "trainingRows": report["rows"]["used"],
        "validation": {
            name: {"mean": values["mean"], "std": values["std"]}
            for name, values in (validation.get("metrics") or {}).items()
        },
        "validationKind": validation.get("cv_type"),
        "split": report["split"],
        "dataset": report["dataset"],
        "seed": report["seed"],
        "versions": report["versions"],
        "codeHash": report["codeHash"],
        "limitations": limits,
    }


def card_markdown(card: dict[str, Any]) -> str:
    """Returns card.md."""
    lines = [
        f"# {_safe(card['name'])}",
        "",
        f"A {card['task']} model ({card['algorithm']}, template `{card['template']}`)"
        + (f" that predicts **{_safe(card['target'])}**." if card["target"] else "."),
        f"It was trained on {card['trainingRows']} rows with seed {card['seed']}.",
        "",
        "## Inputs",
        "",
        "| column | type | use | missing in training |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_safe(entry['name'])} | {entry['type']} | {entry['use']} | {entry['missing']} |"
        for entry in card["inputs"][:200]
    ]
    if card["classes"]:
        lines += ["", "Classes: " + ", ".join(_safe(text) for text in card["classes"][:50])]
    if card["validation"]:
        lines += [
            "",
            f"## Cross-validation on training rows ({card['validationKind']})",
            "",
            "| metric | mean | std |",
            "|---|---|---|",
        ]
        lines += [
            f"| {name} | {_number(values['mean'])} | {_number(values['std'])} |"
            for name, values in card["validation"].items()
        ]
    lines += ["", "## Parameters", ""]
    lines += [f"- `{key}`: {_safe(str(value))}" for key, value in card["parameters"].items()] or ["- none"]
    if card["limitations"]:
        lines += ["", "## Limits and decisions", ""] + [f"- {_safe(text)}" for text in card["limitations"]]
    lines += ["", "## Made with", ""] + [f"- {name} {version}" for name, version in card["versions"].items()]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"


def _safe(text: Any) -> str:
    """Keeps names from the data from becoming markup."""
    plain = " ".join(str(text).split())
    return "".join("\\" + letter if letter in "\\`*_[]<>|#" else letter for letter in plain)
