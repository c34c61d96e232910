"""Pictures of boxes, and charts."""
