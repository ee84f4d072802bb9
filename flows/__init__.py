"""What a job is: orchestration only."""
