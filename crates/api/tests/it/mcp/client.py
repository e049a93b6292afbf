"""The main job through the Model Context Protocol, by its authors' client, unmodified: in the newest revision, where a person
is asked before something is lost, and in one with a handshake."""

import asyncio
import json
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

URL, ROW = os.environ["URL"], json.loads(os.environ["ROW"])
asked: list[str] = []


async def person(_context, params) -> ElicitResult:
    """Says yes."""
    asked.append(params.message)
    return ElicitResult(action="accept", content={"approve": True})


async def give(client: Client, tool: str, **arguments) -> dict:
    """What a call gives that must succeed."""
    told: list[float] = []

    async def hear(progress: float, _total, _message) -> None:
        told.append(progress)

    result = await client.call_tool(tool, arguments, progress_callback=hear)
    assert not result.is_error, (tool, result)
    assert told == sorted(told), (tool, told)
    print(client.protocol_version, tool)
    return result.structured_content


async def main_job(client: Client) -> tuple[str, str]:
    """From a file to predictions."""
    with open(os.environ["DATA"], encoding="utf-8") as file:
        content = file.read()
    project = (await give(client, "create_project", name="Penguins by MCP"))["project"]["id"]
    dataset = (await give(client, "upload_dataset", projectId=project, filename="birds.csv", content=content))["dataset"]
    profile = await give(client, "get_dataset_profile", projectId=project, datasetId=dataset["datasetId"])
    sql = f"select species, count(*) as n from {profile['tableName']} group by species order by species"
    rows = (await give(client, "run_sql", projectId=project, sql=sql))["query"]["rows"]
    assert [row["species"] for row in rows] == ["Adelie", "Chinstrap", "Gentoo"], rows
    templates = (await give(client, "list_model_templates"))["templates"]
    template = next(one for one in templates if one["id"] == "random_forest_classifier")
    trained = await give(
        client,
        "train_model",
        projectId=project,
        datasetId="birds.csv",
        templateId=template["id"],
        targetColumn="species",
        parameters={"n_estimators": 20},
    )
    assert trained["success"] and trained["model"]["metrics"]["accuracy"] > 0.9, trained
    model = trained["model"]["modelId"]
    evaluated = await give(client, "evaluate_model", projectId=project, modelId=model)
    assert evaluated["evaluationStatus"] == "ready" and evaluated["evaluation"], evaluated
    deployed = await give(client, "deploy_model", projectId=project, modelId=model, name="species")
    deployment = deployed["deployment"]["deploymentId"]
    return project, deployment


async def predict(client: Client, project: str, deployment: str) -> None:
    """Asks what the job ended with."""
    rows = (await give(client, "predict", projectId=project, deploymentId=deployment, rows=[ROW, ROW]))["predictions"]
    assert [row["prediction"] for row in rows] == ["Chinstrap", "Chinstrap"], rows
    wrong = await client.call_tool("predict", {"projectId": deployment, "deploymentId": deployment, "rows": [ROW]})
    assert wrong.is_error and wrong.content[0].text == "Project not found", wrong


async def look_around(client: Client, project: str) -> None:
    """Tools, resources and prompts."""
    tools = (await client.list_tools()).tools
    assert len(tools) == 28, [tool.name for tool in tools]
    listed = (await client.list_resources()).resources
    dataset = next(one for one in listed if project in str(one.uri) and "/datasets/" in str(one.uri))
    read = await client.read_resource(str(dataset.uri))
    assert json.loads(read.contents[0].text)["filename"] == "birds.csv", read
    prompts = (await client.list_prompts()).prompts
    assert len(prompts) == 3, prompts
    arguments = {"projectId": project, "question": "Why?"}
    prompt = await client.get_prompt("ask_documents", arguments)
    assert "Why?" in prompt.messages[0].content.text, prompt


async def lose(client: Client, project: str, questions: int) -> None:
    """Deletes a cell, which somebody may be asked about."""
    asked.clear()
    cell = await give(client, "write_cell", projectId=project, content="a = 1")
    await give(client, "delete_cell", projectId=project, cellId=cell["cellId"])
    assert len(asked) == questions, asked


async def with_client(mode: str, revision: str, job) -> None:
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=600)) as http:
        transport = streamable_http_client(URL, http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=person) as client:
            assert client.protocol_version == revision, client.protocol_version
            await job(client)


async def main() -> None:
    made: list[str] = []

    async def newest(client: Client) -> None:
        made.extend(await main_job(client))
        await predict(client, *made)
        await look_around(client, made[0])
        await lose(client, made[0], questions=1)

    async def with_handshake(client: Client) -> None:
        await predict(client, *made)
        await look_around(client, made[0])
        await lose(client, made[0], questions=0)

    await with_client("auto", "2026-07-28", newest)
    await with_client("legacy", "2025-11-25", with_handshake)
    print("done")


asyncio.run(main())
