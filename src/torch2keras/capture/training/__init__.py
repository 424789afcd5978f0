"""What differs while training: own backwards, hooks, and what runs in train mode alone."""
