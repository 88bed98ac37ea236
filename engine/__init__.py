"""What all places share. The front door of the engine: what stands here is all that `bots` may use."""
