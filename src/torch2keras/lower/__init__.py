"""Graph and LayoutPlan -> KerasGraph."""
