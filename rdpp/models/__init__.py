"""Teacher, projection, bottleneck, student, and the trained three joined in one network."""

from rdpp.models.backbone import ARCHITECTURES, STRIDES, Architecture
from rdpp.models.network import Network
from rdpp.models.teacher import Teacher, TeacherConfig, load_teacher, teacher_backbone

__all__ = [
    "ARCHITECTURES",
    "STRIDES",
    "Architecture",
    "Network",
    "Teacher",
    "TeacherConfig",
    "load_teacher",
    "teacher_backbone",
]
