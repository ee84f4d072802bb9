"""What a farm needs on Prefect's server: pools, deployments, block types, automations."""
