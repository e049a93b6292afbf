"""An estimator as packages bring one along: the class whose mean is nearest."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Nearest(ClassifierMixin, BaseEstimator):
    def fit(self, rows, labels):  # noqa: ANN001, ANN201 - as scikit-learn has it
        rows, labels = np.asarray(rows), np.asarray(labels)
        self.classes_ = np.unique(labels)
        self.means_ = np.stack([rows[labels == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, rows):  # noqa: ANN001, ANN201 - as scikit-learn has it
        distances = ((np.asarray(rows)[:, None, :] - self.means_) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]
